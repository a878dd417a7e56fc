"""Entry point of the command `arbeit-mcp`."""

from __future__ import annotations


def main() -> int:
    """Serve until the client goes."""
    return 2
