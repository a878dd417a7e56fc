"""The tools through which agents use Arbeit, defined once: every other face for agents is made from them.

Importing this loads no tool; each is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arbeit.toolset.box import Toolset
    from arbeit.toolset.holdings import Holdings, MemoryHoldings
    from arbeit.toolset.registry import NAMES, PROFILES, Tool, find_tool, tools
    from arbeit.toolset.schema import schemas, tool_annotations

__all__ = [
    "NAMES",
    "PROFILES",
    "Holdings",
    "MemoryHoldings",
    "Tool",
    "Toolset",
    "find_tool",
    "schemas",
    "tool_annotations",
    "tools",
]

_HOMES = {
    "NAMES": "registry",
    "PROFILES": "registry",
    "Holdings": "holdings",
    "MemoryHoldings": "holdings",
    "Tool": "registry",
    "Toolset": "box",
    "find_tool": "registry",
    "schemas": "schema",
    "tool_annotations": "schema",
    "tools": "registry",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        msg = f"module 'arbeit.toolset' has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(f"arbeit.toolset.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
