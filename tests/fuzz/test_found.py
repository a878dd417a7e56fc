"""What was found by chance once, each in its shortest form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import arbeit
import arbeit.sync
from arbeit.queries import mark
from arbeit.secret_providers import FileSecrets


def refused(caught: pytest.ExceptionInfo[arbeit.ArbeitError]) -> tuple[str, int]:
    """The code of a refusal, and how long it is as text."""
    return caught.value.code, len(str(caught.value))


@pytest.mark.parametrize("url", ["memory://", "sqlite:///team.db"])
@pytest.mark.parametrize("position", [-1, -(2**63)])
def test_a_forged_cursor_before_the_first_task_is_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, position: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with arbeit.sync.open(url) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", task_id="one")
        assert [task.id for task in project.find(cursor=mark("created", position)).tasks] == ["one"]


def test_a_key_with_half_a_surrogate_pair_is_refused() -> None:
    hub = arbeit.sync.open("memory://", key="\ud800" * 16)
    with pytest.raises(arbeit.ArbeitError) as caught:
        hub.__enter__()
    assert caught.value.data["field"] == "key"


def test_a_path_of_a_secret_with_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(arbeit.ArbeitError) as caught:
        FileSecrets(tmp_path).resolve("\ud800")
    assert refused(caught)[0] == "INVALID_INPUT"


NAMES: list[Any] = ["x" * 70_000, "a\0\n\x1b[31m", [["x"] * 1000], 10**5000]


@pytest.mark.parametrize("wrong", NAMES, ids=["long", "control", "list", "digits"])
def test_a_name_that_there_is_not_is_repeated_briefly(wrong: Any) -> None:  # noqa: ANN401 - wrong ones
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        with pytest.raises(arbeit.ArbeitError) as caught:
            project.find(sort=wrong)
        assert refused(caught)[1] < 500
        assert caught.value.message.isprintable()
