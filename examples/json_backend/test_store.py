"""The shipped contract, and what is this backend's own. `pytest examples/json_backend`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from arbeit import commands as c
from arbeit import sync
from arbeit.compose import Wiring
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EMPTY, Task, freeze
from arbeit.ports import Clock
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, FaceContract, StoreContract
from examples import json_backend
from examples.json_backend.codec import decode, encode
from examples.json_backend.store import JsonStore


class _Json:
    def open(self, tmp_path: Path, clock: Clock) -> Wiring:
        """Open the file in this folder."""
        return Wiring(JsonStore(tmp_path / "team.jsonl", clock), clock, KEY, {})


class TestJsonStore(_Json, StoreContract):
    """Everything a store must do."""


class TestJsonStoreThroughTheFaces(_Json, FaceContract):
    """Everything users see of it."""


def _hub(path: Path) -> sync.Hub:
    return sync.open(f"json:///{path}", plugins=[json_backend], clock=VirtualClock())


def test_a_lease_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "team.jsonl"
    with _hub(path) as hub:
        hub.project("demo", create=True).create_task("T")
        work = hub.project("demo").claim("ada")
        assert work is not None
    with _hub(path) as hub:
        again = hub.project("demo").get(work.task.id, include={"lease"})
        assert again.lease == work.lease
        assert hub._session.token("demo", work.lease) == work.token  # noqa: SLF001 - the same key
        assert hub.project("demo").verify().ok
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "team.jsonl"
    with _hub(path) as hub:
        hub.project("demo", create=True).create_task("T", task_id="t1")
        whole = path.read_bytes()
        hub.project("demo").create_task("U", task_id="t2")
    path.write_bytes(path.read_bytes()[:-7])
    with _hub(path) as hub:
        assert [task.id for task in hub.project("demo").find().tasks] == ["t1"]
        assert hub.project("demo").verify().ok
    assert path.read_bytes() == whole


def test_a_write_that_fails_is_forgotten_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_file, failures = os.fsync, [OSError(28, "No space left on device")]

    def full(number: int) -> None:
        if failures:
            raise failures.pop()
        sync_file(number)

    with _hub(tmp_path / "team.jsonl") as hub:
        project = hub.project("demo", create=True)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(ArbeitError) as caught:
            project.create_task("T")
        assert caught.value.code is Code.STORE_UNAVAILABLE
        assert project.find().tasks == ()
        project.create_task("U")
        assert project.verify().ok


def test_a_file_that_can_be_written_no_more_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_number: int) -> None:
        raise OSError(5, "Input/output error")

    with _hub(tmp_path / "team.jsonl") as hub:
        project = hub.project("demo", create=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", broken)
            with pytest.raises(ArbeitError) as caught:
                project.create_task("T")
        assert caught.value.code is Code.STORE_UNAVAILABLE
        with pytest.raises(ArbeitError):
            project.create_task("U")
    with _hub(tmp_path / "team.jsonl") as hub:
        assert hub.project("demo").verify().ok


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with _hub(tmp_path / "team.jsonl"), pytest.raises(ArbeitError) as caught:
        _hub(tmp_path / "team.jsonl").__enter__()
    assert caught.value.code is Code.STORE_UNAVAILABLE


def test_a_long_file_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.json_backend.store._KEPT_LINES", 3)
    path = tmp_path / "team.jsonl"
    with _hub(path) as hub:
        project = hub.project("demo", create=True)
        for number in range(5):
            project.create_task("T", idempotency_key=f"key {number}", task_id=f"t{number}")
    long = len(path.read_text().splitlines())
    with _hub(path) as hub:
        project = hub.project("demo")
        assert project.verify().ok
        assert project.create_task("T", idempotency_key="key 3", task_id="t3").id == "t3"
        assert len(project.find().tasks) == 5
    assert (long, len(path.read_text().splitlines())) == (7, 2)


def test_what_is_erased_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "team.jsonl"
    with _hub(path) as hub:
        project = hub.project("demo", create=True, actor="root")
        project.register_agent("root", persona="supervisor")
        project.create_task("The password is hunter2", task_id="t1")
        assert "hunter2" in path.read_text()
        project.execute(c.EraseRecord(actor="root", kind="task", record_id="t1"))
        assert "hunter2" not in path.read_text()
        assert project.verify().ok


def test_records_come_back_as_they_were() -> None:
    metadata = freeze({"$": "Task", "deep": [{"$": 1}, [1, None, "x"]], "empty": {}})
    task = Task("t1", "T", 1, 2, metadata=metadata, outputs=EMPTY, labels=("a", "b"))
    assert decode(encode(task)) == task
