"""Arbeit's tools for CrewAI crews."""

from arbeit_crewai.adapter import ArbeitAdapter, ArbeitTool, arbeit_tools
from arbeit_crewai.arguments import strict

__all__ = ["ArbeitAdapter", "ArbeitTool", "arbeit_tools", "strict"]
