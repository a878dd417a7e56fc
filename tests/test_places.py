"""Which database and project is meant, and who speaks, for every face that looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

import arbeit
import arbeit.sync
from arbeit import places


def made(folder: Path) -> Path:
    """A folder with a database in it."""
    place = places.inside(folder)
    places.make_folder(place)
    assert place.file is not None
    place.file.touch()
    return place.file


def test_the_nearest_database_upwards_is_found_from_every_folder_below(tmp_path: Path) -> None:
    outer, inner = made(tmp_path), made(tmp_path / "a" / "b")
    deep = tmp_path / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    for start, wanted in ((deep, inner), (tmp_path / "a", outer)):
        found = places.find(None, {}, start)
        assert found is not None
        assert found.file == wanted


def test_what_is_said_counts_before_the_environment_and_that_before_the_folder(tmp_path: Path) -> None:
    made(tmp_path)
    files = {name: tmp_path / name for name in ("said.db", "environment.db")}
    for file in files.values():
        file.touch()
    environment = {"ARBEIT_DB": str(files["environment.db"])}
    said = places.find("said.db", environment, tmp_path)
    assert said is not None
    assert said.file == files["said.db"]
    from_environment = places.find(None, environment, tmp_path)
    assert from_environment is not None
    assert from_environment.file == files["environment.db"]
    assert places.find("nothing.db", environment, tmp_path) is None, "what was said and is not there is not replaced"


@pytest.mark.parametrize("said", ["", "a\0b"])
def test_what_names_no_database_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(arbeit.ArbeitError) as caught:
        places.find(said, {}, tmp_path)
    assert caught.value.code == "INVALID_INPUT"


def test_files_beside_a_database_lie_where_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, alone = places.inside(tmp_path), places.named("team.db", tmp_path)
    assert (inside.held, inside.config) == (tmp_path / ".arbeit/held", tmp_path / ".arbeit/config.json")
    assert (alone.held, alone.config) == (tmp_path / "team.db.held", None)
    assert places.named("memory://", tmp_path).held is None
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, other = (places.named(f"postgresql://host/{name}", tmp_path).held for name in "ab")
    assert one is not None
    assert one != other
    assert one.is_relative_to(tmp_path / "state")


def test_the_default_project_is_written_once_and_read_back(tmp_path: Path) -> None:
    made(tmp_path)
    place = places.inside(tmp_path)
    assert places.default_project(place) is None
    places.name_default(place, "shop")
    places.name_default(place, "other")
    assert places.default_project(place) == "shop"
    assert (tmp_path / ".arbeit/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize("text", [b"{", b"[1]x", b'{"project": 7}', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_configuration_is_refused_by_its_name(text: bytes, tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / ".arbeit/config.json").write_bytes(text)
    with pytest.raises(arbeit.ArbeitError, match=r"config\.json") as caught:
        places.default_project(places.inside(tmp_path))
    assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("name", "key"),
    [("shop", "shop"), ("My_Shop 2", "my-shop-2"), ("設計", "default"), ("--", "default"), ("x" * 80, "x" * 63)],
)
def test_a_key_is_made_after_the_folders_name(name: str, key: str) -> None:
    assert places.key_of(places.inside(Path("/somewhere") / name)) == key


@pytest.mark.parametrize("name", ["My Shop (2)", "shop", "ÄÖÜ", "---", "9 lives", "x" * 200])
def test_a_folder_of_any_name_gives_a_key_that_projects_may_have(name: str, tmp_path: Path) -> None:
    key = places.key_of(places.inside(tmp_path / name))
    with arbeit.sync.open("memory://") as hub:
        assert hub.project(key, create=True).key == key


@pytest.mark.parametrize("user", ["Zoë", "...", "", "a b", "@@", "x" * 300])
def test_whoever_speaks_has_a_name_that_agents_may_have(user: str) -> None:
    name = places.whoami(None, {"USER": user})
    with arbeit.sync.open("memory://", actor=name) as hub:
        project = hub.project("demo", create=True)
        assert project.register_agent(name).id == name
    assert places.whoami("said", {"ARBEIT_AGENT": "environment"}) == "said"
    assert places.whoami(None, {"ARBEIT_AGENT": "environment"}) == "environment"
