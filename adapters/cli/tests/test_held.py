"""Tokens of leases between two commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import arbeit
import arbeit.sync
from adapters.cli.tests.conftest import Add, Say
from arbeit_cli.failing import RefusedError
from arbeit_cli.held import FileHoldings


@pytest.fixture
def project() -> Iterator[arbeit.sync.Project]:
    with arbeit.sync.open("memory://", actor="ann") as hub:
        yield hub.project("shop", create=True, settings={"retry": "at_once"})


@pytest.fixture
def works(project: arbeit.sync.Project) -> list[arbeit.Work]:
    """Three tenures of one task, one after the other."""
    task = project.create_task("Sweep")
    found = []
    for _ in range(3):
        work = project.start_task(task.id).inner
        found.append(work)
        arbeit.sync.run(work.release())
        work.ended = False
    return found


def holdings(root: Path | None, agent: str = "ann") -> FileHoldings:
    return FileHoldings(root, "shop", agent)


@pytest.mark.parametrize("kept", [True, False], ids=["files", "memory"])
def test_a_token_is_found_until_it_is_forgotten(kept: bool, tmp_path: Path, works: list[arbeit.Work]) -> None:
    here = holdings(tmp_path / "held" if kept else None)
    task = works[0].task.id
    assert (here.token(task), here.tasks()) == (None, [])
    here.keep(works[0])
    assert (here.token(task), here.tasks()) == (works[0].token, [task])
    here.forget(task)
    assert (here.token(task), here.tasks()) == (None, [])


def test_another_process_of_the_agent_finds_it_and_another_agent_does_not(
    tmp_path: Path, works: list[arbeit.Work]
) -> None:
    holdings(tmp_path).keep(works[0])
    assert holdings(tmp_path).token(works[0].task.id) == works[0].token
    assert holdings(tmp_path, "bob").token(works[0].task.id) is None
    assert FileHoldings(tmp_path, "other", "ann").token(works[0].task.id) is None


def test_files_are_for_their_owner_alone(tmp_path: Path, works: list[arbeit.Work]) -> None:
    root = tmp_path / "held"
    root.mkdir(mode=0o755)
    holdings(root).keep(works[0])
    files = [file for file in root.rglob("*") if file.is_file()]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
    assert root.stat().st_mode & 0o777 == 0o700
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in (files[0].parent, files[0].parent.parent))


def test_a_shell_that_was_slow_to_keep_an_older_grant_does_not_hide_a_newer_one(
    tmp_path: Path, works: list[arbeit.Work]
) -> None:
    slow, quick = holdings(tmp_path), holdings(tmp_path)
    quick.keep(works[2])
    slow.keep(works[0])
    assert holdings(tmp_path).token(works[0].task.id) == works[2].token


def test_a_shell_that_lost_its_lease_forgets_nothing_of_a_later_one(tmp_path: Path, works: list[arbeit.Work]) -> None:
    task = works[0].task.id
    zombie, heir = holdings(tmp_path), holdings(tmp_path)
    zombie.keep(works[0])
    assert zombie.token(task) == works[0].token
    heir.keep(works[1])
    zombie.forget(task)
    assert heir.token(task) == works[1].token


def test_a_later_grant_takes_the_place_of_the_earlier_one(tmp_path: Path, works: list[arbeit.Work]) -> None:
    here = holdings(tmp_path)
    for work in works:
        here.keep(work)
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 1


def test_names_that_look_like_paths_stay_inside(tmp_path: Path, works: list[arbeit.Work]) -> None:
    root = tmp_path / "held"
    for agent in ("a/b", "user@host", "a:b", "x#1", "a+b/../c"):
        here = FileHoldings(root, "shop", agent)
        here.keep(works[0])
        assert here.tasks() == [works[0].task.id]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held"]
    assert len([*(root / "shop").iterdir()]) == 5
    for agent in ("", ".", "..", "a\0b"):
        assert FileHoldings(root, "shop", agent).folder is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"task_id": "x"}', b"\x80"])
def test_a_damaged_file_is_as_if_it_were_not_there(tmp_path: Path, works: list[arbeit.Work], body: bytes) -> None:
    here = holdings(tmp_path)
    here.keep(works[0])
    file = next(file for file in tmp_path.rglob("*.json"))
    file.write_bytes(body)
    assert here.token(works[0].task.id) is None
    assert here.tasks() == []


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "held").write_text("a file in the way")
    with pytest.raises(RefusedError) as caught:
        holdings(tmp_path / "held").prepare()
    assert caught.value.code == "STORE_UNAVAILABLE"


@pytest.mark.parametrize("level", [0, 1, 2], ids=["held", "project", "agent"])
def test_a_token_goes_through_no_link_and_what_the_link_leads_to_stays_as_it_is(
    level: int, shop: Path, add: Add, say: Say, tmp_path: Path
) -> None:
    task = add("Sweep")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    link = (shop / ".arbeit").joinpath(*("held", "shop", "ann")[: level + 1])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere, target_is_directory=True)
    refused = say("claim", "--json")
    assert (refused.code, refused.error["code"]) == (1, "STORE_UNAVAILABLE")
    assert f"{link} is a link" in refused.error["message"]
    assert "Nothing is held" in refused.error["suggestions"][0]
    assert ([*elsewhere.iterdir()], elsewhere.stat().st_mode & 0o777) == ([], 0o777)
    assert say("show", task, "--json").data["task"]["status"] == "open"
    link.unlink()
    assert say("claim").code == 0


def test_nothing_is_read_or_removed_behind_a_link(tmp_path: Path, works: list[arbeit.Work]) -> None:
    task = works[0].task.id
    holdings(tmp_path / "elsewhere").keep(works[0])
    (tmp_path / "held").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    here = holdings(tmp_path / "held")
    assert (here.token(task), here.tasks()) == (None, [])
    here.forget(task)
    assert holdings(tmp_path / "elsewhere").token(task) == works[0].token


def test_a_folder_of_another_user_gets_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "held"
    holdings(root).prepare()
    monkeypatch.setattr(os, "geteuid", lambda: root.stat().st_uid + 1)
    with pytest.raises(RefusedError, match="is another user's") as caught:
        holdings(root).prepare()
    assert caught.value.code == "STORE_UNAVAILABLE"


@pytest.mark.parametrize("level", [0, 1, 2], ids=["held", "project", "agent"])
def test_every_folder_on_the_way_is_closed_to_others(level: int, tmp_path: Path, works: list[arbeit.Work]) -> None:
    folder = tmp_path.joinpath(*("held", "shop", "ann")[: level + 1])
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    holdings(tmp_path / "held").keep(works[0])
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("held", "held/shop", "held/shop/ann")]
    assert modes == [0o700, 0o700, 0o700]


def test_a_file_that_lay_there_open_to_others_gets_no_token(tmp_path: Path, works: list[arbeit.Work]) -> None:
    root = tmp_path / "held"
    holdings(root).prepare()
    lease = works[0].lease
    planted = root / "shop" / "ann" / f".{os.getpid()}.{works[0].task.id}.{lease.fence}.new"
    planted.write_text("")
    planted.chmod(0o666)
    with planted.open() as spy:
        holdings(root).keep(works[0])
        assert spy.read() == ""
    assert next(root.rglob("*.json")).stat().st_mode & 0o777 == 0o600


def test_a_grant_whose_token_cannot_be_kept_is_given_back(tmp_path: Path, project: arbeit.sync.Project) -> None:
    task = project.create_task("Sweep")
    work = project.start_task(task.id).inner
    (tmp_path / "held").write_text("a file in the way")
    with pytest.raises(arbeit.ArbeitError) as caught:
        holdings(tmp_path / "held").keep(work)
    assert caught.value.code == arbeit.Code.STORE_UNAVAILABLE
    assert project.get(task.id).task.status == "open"


def test_tokens_show_nowhere_but_in_their_file(shop: Path, add: Add, say: Say) -> None:
    task = add("Sweep")
    said = say("claim", "--json")
    file = next(iter((shop / ".arbeit" / "held").rglob("*.json")))
    token = json.loads(file.read_text())["token"]
    assert len(token) >= 16
    shown = [said, *(say(*words, "--json") for words in (["held"], ["show", task, "--include", "all"], ["events"]))]
    assert all(token not in answer.out + answer.err for answer in shown)
    here = FileHoldings(shop / ".arbeit" / "held", "shop", "ann")
    assert token not in repr(here.grants())


def test_the_only_task_that_is_held_may_be_left_unnamed(add: Add, say: Say) -> None:
    add("Sweep")
    add("Wash")
    nothing = say("done", "-m", "x", "--json")
    assert (nothing.code, nothing.error["code"]) == (2, "INVALID_INPUT")
    assert "arbeit claim" in nothing.error["suggestions"][0]
    first = say("claim", "--json").data["task"]["id"]
    assert say("note", "halfway").code == 0
    second = say("claim", "--json").data["task"]["id"]
    ambiguous = say("note", "of which?", "--json")
    assert ambiguous.code == 2
    assert first in ambiguous.error["suggestions"][0]
    assert second in ambiguous.error["suggestions"][0]
    assert say("done", first, "-m", "x").code == 0
    assert say("done", "-m", "x", "--json").data["task"]["id"] == second


def test_a_lease_that_was_lost_does_not_stand_in_the_way_of_the_one_that_is_held(add: Add, say: Say) -> None:
    lost = add("Sweep")
    assert say("claim", lost).code == 0
    say("--as", "boss", "agents", "set", "boss", "--persona", "supervisor")
    assert say("--as", "boss", "release", lost, "--force").code == 0
    kept = add("Wash")
    assert say("claim", kept).code == 0
    assert say("note", "mine", "--json").data["entry"]["task_id"] == kept
    shown = {one["id"]: one["held"] for one in say("held", "--json").data["tasks"]}
    assert shown == {lost: False, kept: True}
