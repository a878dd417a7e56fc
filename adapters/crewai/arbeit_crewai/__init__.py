"""Arbeit's tools for CrewAI crews."""
