"""What the tests of foreign formats share: a project to import into, and reports that must add up."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from arbeit.exchange import Report, import_file


def add_up(report: Report) -> bool:
    """Whether every record that was read became exactly one thing, and each refusal is listed."""
    listed = dict.fromkeys(report.counts, 0)
    for problem in report.problems:
        listed[problem.kind] += 1
    return all(
        found.read == found.taken + found.there + found.kept + found.left + found.refused
        and found.refused == listed[kind]
        and min(found.taken, found.there, found.kept, found.left, found.refused) >= 0
        for kind, found in report.counts.items()
    )


@pytest.fixture
def project() -> Iterator[arbeit.sync.Project]:
    with arbeit.sync.open("memory://", actor="importer") as hub:
        yield hub.project("demo", create=True)


@pytest.fixture
def bring(project: arbeit.sync.Project) -> Callable[..., Report]:
    """Import into the project; every report must add up, and the log must verify."""

    def run(path: Path, **options: Any) -> Report:  # noqa: ANN401 - those of import_file
        report = arbeit.sync.run(import_file(project.inner, path, **options))
        assert add_up(report)
        assert project.verify().ok
        assert json.loads(json.dumps(report.as_json()))["format"] == report.source_format
        return report

    return run


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., Path]:
    """A file of JSON Lines; texts are lines as they stand."""

    def write(*records: object, end: str = "\n", name: str = "issues.jsonl") -> Path:
        path = tmp_path / name
        told = [one if isinstance(one, str) else json.dumps(one) for one in records]
        path.write_bytes(("\n".join(told) + end).encode("utf-8", "surrogatepass"))
        return path

    return write
