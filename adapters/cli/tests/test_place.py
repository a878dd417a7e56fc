"""Which database, which project, and who speaks."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from adapters.cli.tests.conftest import Add, Say
from arbeit_cli.failing import RefusedError
from arbeit_cli.place import find


def test_a_project_is_found_from_every_folder_below(
    shop: Path, add: Add, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = add("Sweep")
    deep = shop / "src" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert [one["id"] for one in say("list", "--json").data["tasks"]] == [task]


def test_the_nearest_project_is_the_one_that_counts(shop: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = shop / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    refused = say("init", "--json")
    assert (refused.code, refused.error["code"]) == (1, "ALREADY_INITIALIZED")
    assert not (inner / ".arbeit").exists()
    assert say("init", "--here", "--json").data["project"] == "inner"
    assert [one["key"] for one in say("projects", "--json").data["projects"]] == ["inner"]


def test_outside_of_a_project_it_says_where_it_looked_and_what_to_do(folder: Path, say: Say) -> None:
    answer = say("list", "--json")
    assert (answer.code, answer.error["code"]) == (3, "NOT_INITIALIZED")
    assert str(folder) in answer.error["message"]
    assert "arbeit init" in answer.error["suggestions"][0]
    assert list(folder.iterdir()) == [], "looking makes nothing"


def test_a_working_folder_that_is_gone_is_no_crash(folder: Path, say: Say) -> None:
    shutil.rmtree(folder)
    assert say("list", "--json").error["code"] == "NOT_INITIALIZED"


@pytest.mark.parametrize("form", ["file", "folder", "dotted folder", "url", "absolute url", "environment"])
def test_a_database_may_be_named_in_many_ways(
    form: str, shop: Path, add: Add, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = add("Sweep")
    monkeypatch.chdir(shop.parent)
    file = shop / ".arbeit" / "arbeit.db"
    words = {
        "file": ["--db", "shop/.arbeit/arbeit.db"],
        "folder": ["--db", "shop"],
        "dotted folder": ["--db", "shop/.arbeit"],
        "url": ["--db", "sqlite:///shop/.arbeit/arbeit.db"],
        "absolute url": [f"--db=sqlite:///{file}"],
        "environment": [],
    }[form]
    if form == "environment":
        monkeypatch.setenv("ARBEIT_DB", str(file))
    assert [one["id"] for one in say(*words, "list", "--json").data["tasks"]] == [task]


def test_a_named_database_that_is_not_there_is_not_made(folder: Path, say: Say) -> None:
    for said in ("nothing.db", "sqlite:///nothing.db"):
        answer = say("--db", said, "add", "x", "--json")
        assert (answer.code, answer.error["code"]) == (3, "NOT_INITIALIZED")
    assert list(folder.iterdir()) == []


def test_a_database_of_its_own_name_and_its_only_project(folder: Path, say: Say) -> None:
    assert say("--db", "team #1%.db", "init", "web", "--json").data["project"] == "web"
    assert (folder / "team #1%.db").is_file()
    assert say("--db", "team #1%.db", "add", "Sweep").code == 0
    assert say("--db", "team #1%.db", "claim", "--json").data["task"]["title"] == "Sweep"
    assert (folder / "team #1%.db.held").is_dir()
    assert not (folder / ".arbeit").exists()


def test_among_several_projects_one_has_to_be_named(folder: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.is_dir()
    for key in ("web", "app"):
        assert say("--db", "team.db", "init", key).code == 0
    answer = say("--db", "team.db", "list", "--json")
    assert (answer.code, answer.error["code"]) == (3, "PROJECT_NOT_FOUND")
    assert "app, web" in answer.error["message"]
    assert say("--db", "team.db", "--project", "web", "add", "Paint").code == 0
    monkeypatch.setenv("ARBEIT_PROJECT", "web")
    assert len(say("--db", "team.db", "list", "--json").data["tasks"]) == 1
    assert say("--db", "team.db", "--project", "app", "list", "--json").data["tasks"] == []
    assert say("--db", "team.db", "--project", "none", "list", "--json").error["code"] == "PROJECT_NOT_FOUND"


def test_the_folder_names_its_project(shop: Path, say: Say) -> None:
    assert json.loads((shop / ".arbeit" / "config.json").read_text()) == {"project": "shop"}
    assert say("--db", shop, "--project", "second", "init").code == 0
    assert say("settings", "--json").data["key"] == "shop"
    (shop / ".arbeit" / "config.json").write_text('{"project": "second"}')
    assert say("settings", "--json").data["key"] == "second"


@pytest.mark.parametrize("text", ["{", "[]x", '{"project": 7}', "\x80\x81"])
def test_a_broken_configuration_is_named(text: str, shop: Path, say: Say) -> None:
    (shop / ".arbeit" / "config.json").write_bytes(text.encode("latin-1"))
    answer = say("list", "--json")
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")
    assert "config.json" in answer.error["message"]
    assert say("--project", "shop", "list").code == 0, "a project that is named needs no configuration"


def test_git_leaves_the_folder_alone(shop: Path) -> None:
    assert (shop / ".arbeit" / ".gitignore").read_text() == "*\n"


def test_a_project_is_made_once(shop: Path, say: Say) -> None:
    answer = say("init", "--json")
    assert (answer.code, answer.error["code"]) == (1, "ALREADY_INITIALIZED")
    assert str(shop) in answer.error["message"]


def test_settings_go_with_the_project_that_is_made(folder: Path, say: Say) -> None:
    assert folder.is_dir()
    retry = '{"name": "exponential", "base": 2}'
    assert say("init", "--name", "The Shop", "--set", "review=required", "--set", f"retry={retry}").code == 0
    data = say("settings", "--json").data
    assert data["name"] == "The Shop"
    assert data["settings"] == {"review": "required", "retry": {"name": "exponential", "base": 2}}


@pytest.mark.parametrize("words", [["--set", "review"], ["--set", "retry={"], ["--set", "mood=good"], ["Bad Key"]])
def test_a_project_that_cannot_be_made_is_not(words: list[str], folder: Path, say: Say) -> None:
    answer = say("init", *words, "--json")
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")
    assert say("list").code == 3
    assert say("init").code == 0, "and can be made rightly afterwards"
    assert say("list").code == 0
    assert (folder / ".arbeit" / "config.json").is_file()


def test_an_unfit_name_is_refused_by_the_rules_of_names(shop: Path, say: Say) -> None:
    assert shop.is_dir()
    for name in ("", "a b", "../../x", "-x", "x" * 65):
        answer = say(f"--as={name}", "add", "Sweep", "--json")
        assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT"), name
        answer = say(f"--as={name}", "claim", "--json")
        assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT"), name
    assert not (shop.parent / "x").exists()
    assert say("list", "--json").data["tasks"] == []


def test_what_names_no_database_is_refused(folder: Path, say: Say) -> None:
    answer = say("--db=", "list", "--json")
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")
    assert list(folder.iterdir()) == []


def test_an_empty_environment_variable_says_nothing(shop: Path) -> None:
    assert find(None, {"ARBEIT_DB": ""}, shop).file == shop / ".arbeit" / "arbeit.db"


def test_the_walk_upwards_ends_at_the_root() -> None:
    if (Path("/") / ".arbeit").exists():
        pytest.skip("there is a project at the root of this machine")
    with pytest.raises(RefusedError, match="no project here"):
        find(None, {}, Path("/"))
    assert os.sep == "/"


def test_a_second_project_of_a_folder_is_made_and_its_maker_learns_which_one_commands_mean(
    shop: Path, say: Say
) -> None:
    made = say("init", "website")
    assert made.code == 0
    assert "Commands in this folder still mean project shop" in made.out
    assert "--project website" in made.out
    assert 'Next: arbeit --project website add "A task"' in made.out
    assert say("init", "third", "--json").data["default_project"] == "shop"
    assert say("add", "Sweep").code == 0
    assert say("--project", "website", "add", "Paint").code == 0
    listed = [say("--project", key, "list").out for key in ("shop", "website")]
    assert [("Sweep" in text, "Paint" in text) for text in listed] == [(True, False), (False, True)]
    assert json.loads((shop / ".arbeit" / "config.json").read_text()) == {"project": "shop"}
    again = say("init", "--json")
    assert (again.code, again.error["code"]) == (1, "ALREADY_INITIALIZED")


@pytest.mark.parametrize(("words", "key"), [([], "gone"), (["other"], "other")])
def test_a_folder_that_means_a_project_which_is_not_there_means_the_next_one_that_is_made(
    folder: Path, say: Say, words: list[str], key: str
) -> None:
    (folder / ".arbeit").mkdir()
    (folder / ".arbeit" / "config.json").write_text('{"project": "gone"}')
    assert say("init", *words, "--json").data["project"] == key
    assert say("add", "Sweep").code == 0
    assert json.loads((folder / ".arbeit" / "config.json").read_text()) == {"project": key}
