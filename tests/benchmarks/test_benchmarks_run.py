"""Each benchmark runs and prints its rows. Never how fast: that depends on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.measure import Series, Table, alternate

ROOT = Path(__file__).parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", NAMES)
def test_prints_every_row(name: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = _run(name, "--quick", "--rounds", "1", "--dir", str(tmp_path), "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["machine"]["cpu"]
    assert f"== {name} " in done.stdout
    for table in found[name]:
        assert table["title"] in done.stdout
        assert table["rows"]
        for row in table["rows"]:
            assert f"\n  {row[0]} " in done.stdout
            assert len(row) == len(table["columns"])
    assert list(tmp_path.iterdir()) == [file]  # databases are removed


def test_lists_what_there_is() -> None:
    done = _run("--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(NAMES)


def test_refuses_what_there_is_not() -> None:
    done = _run("spets")
    assert done.returncode == 2
    assert "no benchmark is called spets" in done.stderr


def test_rounds_take_turns() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    alternate(runs, 2)
    assert "".join(order) == "abccba"


def test_series_and_tables() -> None:
    mine, theirs = Series((2.0, 6.0, 4.0)), Series((1.0, 2.0, 4.0))
    assert (mine.median, mine.percentile(95)) == (4.0, 6.0)
    assert mine.over(theirs).values == (2.0, 3.0, 1.0)
    table = Table("Title", ("what", "rate"), [("one", mine), ("another", None)], ("note",))
    assert table.render().splitlines() == [
        "Title",
        "  what                    rate",
        "  -------  -------------------",
        "  one      4.00 [2.00 .. 6.00]",
        "  another",
        "  (note)",
    ]
    assert table.plain()["rows"][0] == ["one", {"median": 4.0, "min": 2.0, "max": 6.0, "values": mine.values}]
