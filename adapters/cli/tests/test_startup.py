"""What a command line loads: only what it uses, for every call pays for all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cli.tests.conftest import CLEAN, process

HEAVY = {
    "anyio", "asyncio", "cattrs", "concurrent", "dataclasses", "email", "http", "importlib.metadata", "inspect",
    "logging", "multiprocessing", "opentelemetry", "pluggy", "rich", "socket", "sqlalchemy", "subprocess", "tempfile",
    "tokenize", "traceback", "unittest", "uuid",
}  # fmt: skip
OTHERS = ("top", "work", "graph", "doctor", "setup", "prime", "exchange", "serve", "tool", "completion")
LOADED = """
import json, sys
from arbeit_cli.__main__ import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(*words: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words], cwd=cwd, env={**CLEAN, "ARBEIT_AGENT": "ann"}, capture_output=True,
        check=True, timeout=60,
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("startup")
    for words in (("init", "web", "--completion", "none"), ("add", "a"), ("add", "b"), ("claim",)):
        assert process(*words, cwd=made).returncode == 0
    return made


@pytest.mark.parametrize(
    "words",
    [("list",), ("add", "x"), ("claim",), ("note", "-m", "x", "--as", "b", "TASK"), ("done", "-m", "x", "TASK")],
    ids=lambda words: words[0],
)
def test_a_usual_call_loads_no_event_loop_no_framework_and_no_other_command(
    words: tuple[str, ...], place: Path
) -> None:
    task = next(iter(json.loads(process("held", "--json", cwd=place).stdout)["data"]["tasks"]))["id"]
    found = loaded(*(task if word == "TASK" else word for word in words), cwd=place)
    assert found & HEAVY == set()
    assert {f"arbeit_cli.commands.{name}" for name in OTHERS} & found == set()
    assert "arbeit_cli.hints" not in found, "that is for errors"


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("claim", "--help"), ("show", "--help")])
def test_help_opens_nothing_and_loads_no_store(words: tuple[str, ...], tmp_path: Path) -> None:
    found = loaded(*words, cwd=tmp_path)
    assert not {name for name in found if name.startswith(("arbeit.", "sqlite3"))}
    assert found & HEAVY == set()


def test_a_mistake_loads_no_store(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "arbeit_cli", "clam"], cwd=tmp_path, env=CLEAN, capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"arbeit.sync" not in done.stderr


COLLECTED = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 1_000, gc.isenabled(), file=sys.stderr))
before = gc.get_threshold()
from arbeit_cli.__main__ import main
main(["list"])
print(gc.get_threshold() == before, gc.get_freeze_count(), file=sys.stderr)
sys.exit(main())
"""


def test_a_process_of_its_own_looks_for_garbage_seldom_and_a_call_in_another_changes_nothing(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED, "list"], cwd=place, env={**CLEAN, "ARBEIT_AGENT": "ann"}, capture_output=True,
        check=True, timeout=60, text=True,
    )  # fmt: skip
    assert done.stderr.splitlines() == ["True 0", "50000 True True"]
