"""What an import costs: no driver, no event loop, no scan of anything."""

import subprocess
import sys
from pathlib import Path

import pytest

DRIVERS = ("sqlite3", "asyncio", "anyio", "sqlalchemy")
NEVER = ("asyncio", "anyio", "sqlalchemy", "cattrs", "opentelemetry", "trio")
HEAVY = {
    *NEVER,
    *("attr", "attrs", "inspect", "ast", "dis", "tokenize", "dataclasses", "importlib.metadata", "pluggy"),
    *("pathlib", "urllib", "ipaddress", "tempfile", "shutil", "subprocess", "socket", "logging", "random", "secrets"),
    *("arbeit.audit", "arbeit.stats", "arbeit.blobs", "arbeit.transfer", "arbeit.secret_providers", "arbeit.rendering"),
    *("arbeit.engine", "arbeit.exchange", "arbeit.toolset", "arbeit.telemetry.spans", "arbeit.core.erasing"),
    *("arbeit.core.commands.imports", "arbeit.core.decide.restoring", "arbeit.core.events.records"),
}
"""What a call of the command line has no time for: each of these, or what it brings, takes milliseconds."""

CALLS = {
    "add": 'project.create_task("third", priority="high")',
    "list": 'project.find(status="open")',
    "claim": 'project.claim("ada")',
    "done": 'project.claim("ada").complete("done", evidence=["seen"])',
}
CALL = """
from arbeit import sync
with sync.open("sqlite:///team.db", actor="ada") as hub:
    project = hub.project("demo")
    {call}
"""

WHOLE_RUN = """
from arbeit import sync
from arbeit.core import commands as c

with sync.open({url!r}, key="k" * 32) as hub:
    project = hub.project("demo", create=True)
    first = project.create_task("first", priority="high")
    project.create_task("second", blocked_by=[first.id])
    work = project.claim("ada")
    with work:
        work.note("looked")
        work.progress("step", done=True)
        following = work.complete("done", evidence=["seen"], then_claim=True)
    following.release("later")
    project.find(status="open")
    project.get(first.id, include="all")
    project.explain("ada")
    assert project.claim("nobody", queues=["empty"], wait=0.01) is None
    project.history()
    assert project.verify().ok
"""


def modules_of(code: str, folder: Path) -> set[str]:
    """The modules that a fresh interpreter has loaded after running some code."""
    script = f"{code}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=folder, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def loaded_by(code: str, folder: Path) -> set[str]:
    """Their top-level names."""
    return {name.partition(".")[0] for name in modules_of(code, folder)}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What an interpreter of this environment loads by itself."""
    return loaded_by("", tmp_path_factory.mktemp("bare"))


@pytest.fixture(autouse=True)
def from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreters started here import the same arbeit as this one, and measure no coverage."""
    import arbeit

    assert arbeit.__file__ is not None
    monkeypatch.setenv("PYTHONPATH", str(Path(arbeit.__file__).parents[1]))
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_import_arbeit_loads_no_driver_and_no_event_loop(bare: set[str], tmp_path: Path) -> None:
    fresh = loaded_by("import arbeit", tmp_path) - bare
    assert fresh.isdisjoint(DRIVERS)
    assert "arbeit" in fresh


def test_importing_the_core_and_the_policies_loads_the_standard_library_and_attrs_alone(
    bare: set[str], tmp_path: Path
) -> None:
    code = "import arbeit.core.decide, arbeit.core.evolve, arbeit.core.batch, arbeit.policies"
    fresh = loaded_by(code, tmp_path) - bare
    outside = {name for name in fresh if name not in sys.stdlib_module_names} - {"arbeit", "attr", "attrs"}
    assert outside == set()
    assert fresh.isdisjoint({"sqlite3", "asyncio", "random", "secrets", "uuid", "logging", "socket"})


def test_the_synchronous_face_loads_no_event_loop(bare: set[str], tmp_path: Path) -> None:
    assert (loaded_by("import arbeit.sync", tmp_path) - bare).isdisjoint(NEVER)


def test_a_whole_run_in_memory_loads_no_event_loop_and_no_driver(bare: set[str], tmp_path: Path) -> None:
    fresh = loaded_by(WHOLE_RUN.format(url="memory://"), tmp_path) - bare
    assert fresh.isdisjoint({*NEVER, "sqlite3"})


def test_a_whole_run_on_a_file_loads_no_event_loop_and_no_other_driver(bare: set[str], tmp_path: Path) -> None:
    fresh = loaded_by(WHOLE_RUN.format(url="sqlite:///team.db"), tmp_path) - bare
    assert fresh.isdisjoint(NEVER)
    assert "sqlite3" in fresh
    assert (tmp_path / "team.db").exists()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file in which two tasks wait."""
    from arbeit import sync

    folder = tmp_path_factory.mktemp("team")
    with sync.open(f"sqlite:///{folder}/team.db") as hub:
        project = hub.project("demo", create=True)
        for title in ("first", "second"):
            project.create_task(title)
    return folder


@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_the_command_line_loads_nothing_heavy(call: str, team: Path) -> None:
    # What the interpreter's own environment has loaded (coverage, paths of editable packages) is none of ours.
    fresh = modules_of(CALL.format(call=CALLS[call]), team) - modules_of("", team)
    assert fresh & HEAVY == set()
    assert {"sqlite3", "arbeit.backends.sqlite.store"} <= fresh


def test_attrs_is_loaded_by_those_who_ask_it(bare: set[str], tmp_path: Path) -> None:
    before = "import sys\nfrom arbeit.core.model import Queue\nqueue = Queue('q', 5)\nassert 'attrs' not in sys.modules"
    after = "import attrs\nassert attrs.asdict(queue)['name'] == 'q'\nassert attrs.evolve(queue, name='r').name == 'r'"
    assert "attrs" in loaded_by(f"{before}\n{after}", tmp_path) - bare


def test_every_public_name_can_be_imported() -> None:
    import arbeit

    assert len(set(arbeit.__all__)) == len(arbeit.__all__)
    assert all(getattr(arbeit, name) is not None for name in arbeit.__all__)
    assert set(arbeit.__all__) <= set(dir(arbeit))
    with pytest.raises(AttributeError):
        getattr(arbeit, "teleport")  # noqa: B009 - a type checker would refuse the attribute, rightly
