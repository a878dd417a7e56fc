"""A planner, workers and a reviewer as one LangGraph graph over one Arbeit project."""
