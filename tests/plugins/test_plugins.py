"""Plug-ins are found by name, asked when they are needed, and blamed by name when they fail."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import arbeit
from arbeit import commands as c
from arbeit import sync
from arbeit.backends.memory import MemoryStore
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event, Task
from arbeit.hookspecs import hookimpl
from arbeit.plugins import NOTICES, Plugins
from arbeit.ports import Capabilities, Clock
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub, WiredSyncHub
from tests.engine.stores import in_memory

ROOT = Path(__file__).parents[2]


class ShortestFirst:
    """A ranking with a parameter."""

    def __init__(self, factor: int = 1) -> None:
        if factor < 1:
            raise ValueError("factor must be 1 or more")
        self.factor = factor

    def rank(self, task: Task, _ready_at: int) -> int:
        return len(task.title) * self.factor


class Ranks:
    """A plug-in with a policy."""

    def __init__(self, factory: object = ShortestFirst, kind: str = "ranking") -> None:
        self._said = {kind: {"shortest": factory}}

    @hookimpl
    def arbeit_policies(self) -> Mapping[str, Mapping[str, Any]]:
        return self._said


class Stores:
    """A plug-in with a backend."""

    def __init__(self, factory: object) -> None:
        self._factory = factory

    @hookimpl
    def arbeit_backends(self) -> Mapping[str, Any]:
        return {"mine": self._factory}


class Hears:
    """A plug-in that is told of events."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    @hookimpl
    def arbeit_notify(self, project: str, event: Event) -> None:
        self.heard.append((project, event.type))


class Entry:
    """An installed plug-in's announcement."""

    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self.name = name
        self.load = load


Install = Callable[..., list[int]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def install(**plugins: Callable[[], object]) -> list[int]:
        scans: list[int] = []

        def entry_points(group: str) -> list[Entry]:
            assert group == "arbeit"
            scans.append(1)
            return [Entry(name, load) for name, load in plugins.items()]

        monkeypatch.setattr(metadata, "entry_points", entry_points)
        return scans

    return install


def refused(call: Callable[[], object]) -> ArbeitError:
    with pytest.raises(ArbeitError) as caught:
        call()
    assert caught.value.suggestions
    return caught.value


def open_with(*plugins: object, settings: Mapping[str, Any] | None = None) -> None:
    with sync.open("memory://", plugins=plugins) as hub:
        hub.project("demo", create=True, settings=settings or {"ranking": "shortest"})


# -- policies --------------------------------------------------------------------------------------------


def test_settings_choose_a_plug_ins_policy_by_name() -> None:
    with sync.open("memory://", plugins=[Ranks()]) as hub:
        project = hub.project("demo", create=True, settings={"ranking": {"name": "shortest", "factor": 2}})
        project.create_task("A long and winding title")
        short = project.create_task("Short")
        work = project.claim("ada")
        assert work is not None
        assert work.task.id == short.id
        assert work.task.title == "Short"
        assert project.verify().ok


def test_a_module_is_a_plug_in() -> None:
    module = ModuleType("mine")
    module.__dict__["arbeit_policies"] = hookimpl(lambda: {"ranking": {"shortest": ShortestFirst}})
    with sync.open("memory://", plugins=[module]) as hub:
        settings = {"ranking": "shortest"}
        assert hub.project("demo", create=True, settings=settings).overview().project.settings == settings


def test_an_installed_plug_in_is_found_when_a_name_is_not_built_in(install: Install) -> None:
    scans = install(mine=Ranks)
    with sync.open("memory://") as hub:
        hub.project("plain", create=True, settings={"ranking": "first_ready"})
        assert scans == []
        hub.project("demo", create=True, settings={"ranking": "shortest"})
        hub.project("more", create=True, settings={"ranking": "shortest"})
        assert scans == [1]


def test_one_that_is_given_and_installed_is_one(install: Install) -> None:
    hears = Hears()
    install(hears=lambda: hears)
    with sync.open("memory://", plugins=[hears]) as hub:
        fail_once(hub.project("demo", create=True))
    assert hears.heard == [("demo", "task_escalated")]


@pytest.mark.parametrize("parameters", [{"factor": 0}, {"bogus": 1}])
def test_bad_parameters_are_refused_before_the_log(parameters: dict[str, int]) -> None:
    with sync.open("memory://", plugins=[Ranks()]) as hub:
        project = hub.project("demo", create=True)
        error = refused(lambda: project.update(settings={"ranking": {"name": "shortest", **parameters}}))
        assert (error.code, error.data["field"], error.data["plugin"]) == (
            Code.INVALID_INPUT,
            "settings.ranking",
            "Ranks",
        )
        assert [event.type for event in project.history()] == ["project_created"]


def test_a_policy_without_its_method_is_refused_before_the_log() -> None:
    error = refused(lambda: open_with(Ranks(object)))
    assert error.code is Code.INTERNAL
    assert "lacks rank" in error.message
    assert error.data["plugin"] == "Ranks"


@pytest.mark.parametrize("problem", [RuntimeError("no"), TypeError("no")])
def test_a_factory_that_raises_is_named(problem: Exception) -> None:
    def factory() -> object:
        raise problem

    error = refused(lambda: open_with(Ranks(factory)))
    assert (error.code, error.data["plugin"]) == (Code.INTERNAL, "Ranks")
    assert error.__cause__ is problem


def test_a_factory_may_refuse_in_its_own_words() -> None:
    def factory() -> object:
        raise ArbeitError(Code.LIMIT_EXCEEDED, "not today", suggestions=("Tomorrow.",))

    assert refused(lambda: open_with(Ranks(factory))).code is Code.LIMIT_EXCEEDED


def test_what_is_no_factory_is_named() -> None:
    assert "instead of a factory" in refused(lambda: open_with(Ranks(7))).message


def test_who_sees_what_is_not_for_a_projects_settings_to_say() -> None:
    error = refused(lambda: open_with(Ranks(kind="access"), settings={"access": "shortest"}))
    assert error.code is Code.INVALID_INPUT
    assert "policies=" in error.suggestions[0]


def test_a_project_whose_plug_in_is_missing_does_all_that_needs_it_not(tmp_path: Path, install: Install) -> None:
    install()
    url = f"sqlite:///{tmp_path}/team.db"
    with sync.open(url, plugins=[Ranks()]) as hub:
        hub.project("demo", create=True, settings={"ranking": "shortest"}).create_task("T", task_id="t1")
    with sync.open(url) as hub:
        project = hub.project("demo")
        assert project.get("t1").task.title == "T"
        project.add_context("t1", "a note")
        error = refused(lambda: project.create_task("U"))
        assert error.code is Code.INVALID_INPUT
        assert "shortest" in error.message
        project.update(settings={"ranking": "first_ready"})
        project.create_task("U")
        assert project.verify().ok


# -- backends and the rest ---------------------------------------------------------------------------------


class Durable(MemoryStore):
    """Says that it outlives its process."""

    capabilities = Capabilities(durable=True, shared=False, blocking=False)


class Keeper(Durable):
    """Keeps a key, too."""

    def lease_key(self) -> bytes:
        return KEY


def test_a_scheme_opens_a_plug_ins_store() -> None:
    seen: list[str] = []

    def make(url: str, clock: Clock) -> MemoryStore:
        seen.append(url)
        return MemoryStore(clock)

    with sync.open("mine://host/path?a=b", plugins=[Stores(make)]) as hub:
        hub.project("demo", create=True)
    assert seen == ["mine://host/path?a=b"]


@pytest.mark.anyio
async def test_a_scheme_opens_a_plug_ins_store_asynchronously() -> None:
    async with arbeit.open("mine://", plugins=[Stores(lambda _url, clock: MemoryStore(clock))]) as hub:
        await hub.project("demo", create=True)
        assert [one.key for one in await hub.projects()] == ["demo"]


def test_a_store_that_outlives_its_process_needs_a_key_that_does() -> None:
    def make(store: type[MemoryStore]) -> Stores:
        return Stores(lambda _url, clock: store(clock))

    error = refused(sync.open("mine://", plugins=[make(Durable)]).__enter__)
    assert (error.code, error.data["field"]) == (Code.INVALID_INPUT, "key")
    with sync.open("mine://", plugins=[make(Durable)], key=KEY):
        pass
    with sync.open("mine://", plugins=[make(Keeper)]) as hub:
        assert hub._session.kernel._key == KEY


def test_a_store_that_cannot_be_opened_is_blamed_on_its_plug_in() -> None:
    def make(_url: str, _clock: Clock) -> MemoryStore:
        raise OSError("disk on fire")

    error = refused(sync.open("mine://", plugins=[Stores(make)]).__enter__)
    assert (error.code, error.data["plugin"]) == (Code.INTERNAL, "Stores")
    assert "disk on fire" in error.message


def test_a_scheme_nobody_has_is_answered_with_what_there_is(install: Install) -> None:
    scans = install()
    assert refused(sync.open("nowhere://").__enter__).code is Code.INVALID_INPUT
    assert scans == [1]


def test_sinks_embedders_and_secrets_are_looked_up_by_name(install: Install) -> None:
    install()

    class All:
        @hookimpl
        def arbeit_sinks(self) -> Mapping[str, Any]:
            return {"nats": lambda url: ("sink", url)}

        @hookimpl
        def arbeit_embedders(self) -> Mapping[str, Any]:
            return {"tiny": lambda: "embedder"}

        @hookimpl
        def arbeit_secret_providers(self) -> Mapping[str, Any]:
            return {"vault": lambda: "vault"}

    plugins = Plugins([All()])
    sink, embedder = plugins.sink("nats"), plugins.embedder("tiny")
    assert sink is not None
    assert embedder is not None
    found: Any = (sink("nats://here"), embedder(), {name: make() for name, make in plugins.secret_providers().items()})
    assert found == (("sink", "nats://here"), "embedder", {"vault": "vault"})
    assert plugins.sink("kafka") is None


def test_a_disputed_provider_of_secrets_does_not_hide_the_others(install: Install) -> None:
    class Secrets:
        def __init__(self, *names: str) -> None:
            self._names = names

        @hookimpl
        def arbeit_secret_providers(self) -> Mapping[str, Any]:
            return {name: lambda: "made" for name in self._names}

    install(one=lambda: Secrets("vault", "mine"), other=lambda: Secrets("vault"))
    found: Mapping[str, Callable[[], object]] = Plugins().secret_providers()
    assert found["mine"]() == "made"
    assert refused(found["vault"]).data["plugin"] == ["one", "other"]


# -- broken ones -----------------------------------------------------------------------------------------


def test_two_plug_ins_with_one_name_are_both_named(install: Install) -> None:
    install(first=Ranks, second=Ranks)
    error = refused(open_with)
    assert error.code is Code.INTERNAL
    assert error.data["plugin"] == ["first", "second"]
    assert "ranking policy shortest" in error.message


def test_one_that_cannot_be_imported_is_named_where_it_may_be_missed(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> object:
        raise ImportError("no module named left_pad")

    install(broken=load, sound=Ranks)
    open_with()
    assert "plug-in broken could not be imported" in caplog.text
    error = refused(lambda: open_with(settings={"ranking": "another"}))
    assert (error.code, error.data["plugin"]) == (Code.INTERNAL, "broken")
    assert "left_pad" in error.message


def test_a_broken_one_that_is_given_is_refused_where_it_is_given() -> None:
    class Misspelt:
        @hookimpl
        def arbeit_polices(self) -> None: ...

    class Asks:
        @hookimpl
        def arbeit_notify(self, project: str, colour: str) -> None: ...

    class Raises:
        @hookimpl
        def arbeit_sinks(self) -> Mapping[str, Any]:
            raise RuntimeError("no")

    class Lists:
        @hookimpl
        def arbeit_sinks(self) -> list[str]:
            return []

    for plugin in (Misspelt(), Asks(), Raises(), Lists(), Ranks(kind="rankng"), "a.name"):
        error = refused(sync.open("memory://", plugins=[plugin]).__enter__)
        assert error.code is Code.INTERNAL
        assert error.data["plugin"] in {type(plugin).__name__, plugin}


# -- notices ---------------------------------------------------------------------------------------------


def fail_once(project: sync.Project) -> None:
    project.create_task("T", max_attempts=1)
    work = project.claim("ada")
    assert work is not None
    work.fail("no")


def test_an_escalation_is_told_once_by_who_committed_it(tmp_path: Path, install: Install) -> None:
    install()
    url, here, there = f"sqlite:///{tmp_path}/team.db", Hears(), Hears()
    with sync.open(url, plugins=[here]) as one, sync.open(url, plugins=[there]) as other:
        fail_once(one.project("demo", create=True))
        other.project("demo").create_task("U")
    assert here.heard == [("demo", "task_escalated")]
    assert there.heard == []


def test_a_preemption_that_is_asked_for_is_told(install: Install) -> None:
    install()
    hears = Hears()
    with sync.open("memory://", plugins=[hears], actor="root") as hub:
        project = hub.project("demo", create=True)
        project.register_agent("root", persona="supervisor")
        task = project.create_task("T")
        assert project.claim("ada") is not None
        project.execute(c.PreemptTask(actor="root", task_id=task.id, reason="a fire"))
    assert hears.heard == [("demo", "preempt_requested")]


def test_a_commit_whose_reply_was_lost_is_told_once(install: Install) -> None:
    hears = Hears()
    install(hears=lambda: hears)
    store, wiring = in_memory(VirtualClock())
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", max_attempts=1)
        work = project.claim("ada")
        assert work is not None
        store.plan("lose_reply")
        work.fail("no")
    assert hears.heard == [("demo", "task_escalated")]


def test_what_is_not_committed_is_told_to_nobody(install: Install) -> None:
    hears = Hears()
    install(hears=lambda: hears)
    store, wiring = in_memory(VirtualClock())
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", max_attempts=1)
        work = project.claim("ada")
        assert work is not None
        store.plan("fail")
        with pytest.raises(ArbeitError):
            work.fail("no")
    assert hears.heard == []


def test_plug_ins_are_told_when_the_lock_is_free() -> None:
    class Answers:
        @hookimpl
        def arbeit_notify(self, project: str, event: Event) -> None:
            assert event.task_id is not None
            hub.project(project).add_context(event.task_id, "seen")

    with sync.open("memory://", plugins=[Answers()]) as hub:
        fail_once(hub.project("demo", create=True))
        assert hub.project("demo").history()[-1].type == "context_added"


def test_one_that_raises_is_logged_and_the_next_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Raises:
        @hookimpl
        def arbeit_notify(self, event: Event) -> None:
            raise RuntimeError(event.type)

    first, last = Hears(), Hears()
    with sync.open("memory://", plugins=[first, Raises(), last]) as hub:
        fail_once(hub.project("demo", create=True))
    assert first.heard == last.heard == [("demo", "task_escalated")]
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "plug-in Raises failed" in record.getMessage()
    assert record.__dict__["project"] == "demo"


def test_metadata_that_cannot_be_read_does_not_break_the_caller(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged(group: str) -> list[Entry]:
        raise ValueError(group)

    monkeypatch.setattr(metadata, "entry_points", damaged)
    with sync.open("memory://") as hub:
        fail_once(hub.project("demo", create=True))
    assert "plug-ins could not be loaded" in caplog.text


@pytest.mark.anyio
async def test_the_asynchronous_face_tells_before_it_closes(install: Install) -> None:
    hears = Hears()
    install(hears=lambda: hears)
    async with WiredHub(in_memory(VirtualClock())[1], background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", max_attempts=1)
        work = await project.claim("ada")
        assert work is not None
        await work.fail("no")
    assert hears.heard == [("demo", "task_escalated")]


def test_only_notices_load_plug_ins(install: Install) -> None:
    scans = install()
    assert "task_escalated" in NOTICES
    with sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        project.create_task("T")
        work = project.claim("ada")
        assert work is not None
        work.fail("no")
        assert scans == []


# -- the process -----------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(
        "from arbeit.hookspecs import hookimpl\n"
        "class First:\n    def rank(self, task, ready_at): return 0\n"
        "@hookimpl\ndef arbeit_policies(): return {'ranking': {'mine': First}}\n"
    )
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[arbeit]\nmine = mine\n")
    return tmp_path


def test_an_installed_package_is_found_by_its_entry_point_and_not_looked_for_before(installed: Path) -> None:
    script = """
import sys
import arbeit.sync
with arbeit.sync.open("memory://") as hub:
    hub.project("plain", create=True)
    print([name for name in ("pluggy", "importlib.metadata", "mine") if name in sys.modules])
    hub.project("demo", create=True, settings={"ranking": "mine"}).create_task("T")
    print([name for name in ("pluggy", "importlib.metadata", "mine") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(installed)},
    )
    assert done.stdout.splitlines() == ["[]", "['pluggy', 'importlib.metadata', 'mine']"]
