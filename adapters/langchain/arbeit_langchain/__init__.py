"""Arbeit's tools for LangChain and LangGraph agents."""

from arbeit_langchain.calls import AnyProject, RefusedCall
from arbeit_langchain.toolkit import ArbeitTool, ArbeitToolkit, arbeit_tools

__all__ = ["AnyProject", "ArbeitTool", "ArbeitToolkit", "RefusedCall", "arbeit_tools"]
