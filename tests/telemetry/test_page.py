"""The page on observing says what the code records."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

import arbeit
from arbeit.telemetry.metrics import SPECS
from arbeit.testing.contract import WiredSyncHub
from tests.engine.stores import in_memory
from tests.telemetry.conftest import Recorded

PAGE = (Path(__file__).parents[2] / "docs/how-to/observe.md").read_text()


def rows(title: str) -> list[list[str]]:
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def test_the_metrics_of_the_page_are_those_of_the_code() -> None:
    code = [
        [
            f"`{spec.name}`",
            spec.kind,
            f"`{spec.unit}`",
            spec.description,
            " ".join(f"`{one}`" for one in spec.attributes),
        ]
        for spec in SPECS
    ]
    assert rows("Metrics") == code


def test_the_spans_of_the_page_have_the_attributes_that_are_recorded(recorded: Recorded) -> None:
    store, wiring = in_memory()
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T")
        work = project.claim("ada")
        assert work is not None
        work.fail("no")
        store.plan("fail")
        with pytest.raises(arbeit.ArbeitError):
            project.create_task("T")
    found: defaultdict[str, set[str]] = defaultdict(set)
    for span in recorded.spans():
        name = span.name if span.name.startswith("arbeit.") else "command"
        found[name] |= set(span.attributes or ())
    said = {re.findall(r"`(.+?)`", row[0])[0]: set(re.findall(r"`(.+?)`", row[3])) for row in rows("Spans")}
    assert said == {"task.claim": found["command"], **{name: found[name] for name in found if name != "command"}}
