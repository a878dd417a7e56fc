"""Arbeit as an MCP server."""
