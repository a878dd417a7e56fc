"""A backend of one's own: the memory store, kept in a file of JSON lines. `arbeit.open("json:///team.jsonl")`.

`test_store.py` beside it runs the shipped contract. In a package of your own, announce the hook as an entry point:

    [project.entry-points.arbeit]
    json = "json_backend"
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from arbeit.hookspecs import BackendFactory, hookimpl
from arbeit.ports import Clock
from examples.json_backend.store import JsonStore

__all__ = ["JsonStore", "arbeit_backends"]


@hookimpl
def arbeit_backends() -> Mapping[str, BackendFactory]:
    """Opens `json:///path`."""
    return {"json": _open}


def _open(url: str, clock: Clock) -> JsonStore:
    return JsonStore(Path(unquote(urlsplit(url).path[1:])), clock)
