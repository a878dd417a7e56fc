"""Arbeit's tools for LangChain and LangGraph agents."""
