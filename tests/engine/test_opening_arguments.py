"""What cannot be opened, or was not yet, is refused with a next step; nothing is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import arbeit
import arbeit.sync

Wrong = Any
"""What no type checker lets through."""


@pytest.mark.parametrize("url", [5, None, b"memory://", "http://[x", "sqlite:///a\0b", "sqlite:///a%00b", "a\ud800b"])
def test_what_is_no_url_is_refused(url: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(arbeit.ArbeitError) as caught, arbeit.sync.open(url):
        pass
    assert caught.value.code is arbeit.Code.INVALID_INPUT
    assert caught.value.data["field"] == "url"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong",
    [{"key": 5}, {"key": []}, {"policies": 5}, {"policies": {"ranking": 5}}, {"plugins": 5}, {"secrets": 5}],
    ids=str,
)
async def test_wrong_arguments_of_open_are_named(wrong: dict[str, Wrong]) -> None:
    with pytest.raises(arbeit.ArbeitError) as of_sync, arbeit.sync.open("memory://", **wrong):
        pass
    with pytest.raises(arbeit.ArbeitError) as caught:
        await arbeit.open("memory://", **wrong).__aenter__()
    assert str(caught.value) == str(of_sync.value)
    assert caught.value.code is arbeit.Code.INVALID_INPUT
    assert caught.value.data["field"] == next(iter(wrong))


def test_a_hub_that_is_not_entered_says_so() -> None:
    hub = arbeit.sync.open("memory://")
    calls: list[Callable[[], object]] = [hub.projects, lambda: hub.project("demo", create=True)]
    for call in calls:
        with pytest.raises(arbeit.ArbeitError) as caught:
            call()
        assert caught.value.code is arbeit.Code.NOT_INITIALIZED
        assert caught.value.suggestions


@pytest.mark.anyio
async def test_an_asynchronous_hub_that_is_not_entered_says_so() -> None:
    hub = arbeit.open("memory://")
    calls: list[Callable[[], Awaitable[object]]] = [hub.projects, lambda: hub.project("demo", create=True)]
    for call in calls:
        with pytest.raises(arbeit.ArbeitError) as caught:
            await call()
        assert caught.value.code is arbeit.Code.NOT_INITIALIZED
        assert caught.value.suggestions


def test_a_closed_hub_says_so_to_who_waits_for_work(tmp_path: Path) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True)
    with pytest.raises(arbeit.ArbeitError) as caught:
        project.claim("ada", wait=1)
    assert caught.value.code is arbeit.Code.NOT_INITIALIZED
    assert caught.value.message == "this hub is closed"
