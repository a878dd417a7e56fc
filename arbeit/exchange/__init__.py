"""Formats in which plans and projects come in and go out; each name is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arbeit.exchange.draft import Plan, Problem
    from arbeit.exchange.exporting import Exported, export
    from arbeit.exchange.importing import import_file
    from arbeit.exchange.merging import Record, records
    from arbeit.exchange.plan import read_plan
    from arbeit.exchange.reading import FORMATS
    from arbeit.exchange.report import Counts, Report
    from arbeit.exchange.restoring import Restored, restore

_HOMES = {
    "FORMATS": "arbeit.exchange.reading",
    "Counts": "arbeit.exchange.report",
    "Exported": "arbeit.exchange.exporting",
    "Plan": "arbeit.exchange.draft",
    "Problem": "arbeit.exchange.draft",
    "Record": "arbeit.exchange.merging",
    "Report": "arbeit.exchange.report",
    "Restored": "arbeit.exchange.restoring",
    "export": "arbeit.exchange.exporting",
    "import_file": "arbeit.exchange.importing",
    "read_plan": "arbeit.exchange.plan",
    "records": "arbeit.exchange.merging",
    "restore": "arbeit.exchange.restoring",
}

__all__ = [
    "FORMATS",
    "Counts",
    "Exported",
    "Plan",
    "Problem",
    "Record",
    "Report",
    "Restored",
    "export",
    "import_file",
    "read_plan",
    "records",
    "restore",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'arbeit.exchange' has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
