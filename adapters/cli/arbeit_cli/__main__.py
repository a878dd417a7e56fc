"""Entry point of the command `arbeit`."""

from __future__ import annotations


def main() -> int:
    """Run a command line, and return its exit code."""
    return 2
