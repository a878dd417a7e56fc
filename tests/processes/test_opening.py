"""Opening a file: at the same time as others, and when it cannot or must not be opened."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from urllib.parse import quote, unquote

import anyio
import pytest

import arbeit
from arbeit import sync
from arbeit.backends.sqlite import statements
from arbeit.backends.sqlite import store as sqlite
from arbeit.backends.sqlite.lock import refuse_network
from arbeit.core.errors import ArbeitError, Code
from tests.processes import children
from tests.processes.conftest import Start

PROCESSES = 8
pytestmark = pytest.mark.anyio


def opening(url: str | Path) -> ArbeitError:
    """The error that opening this raises."""
    with pytest.raises(ArbeitError) as caught, sync.open(url if isinstance(url, str) else f"sqlite:///{url}"):
        pass
    assert caught.value.message
    return caught.value


@pytest.mark.parametrize("round_", range(3))
def test_eight_processes_open_one_new_file_and_make_one_project(
    tmp_path: Path, context: ForkServerContext, start: Start, round_: int
) -> None:
    url = f"sqlite:///{tmp_path}/new/folder-{round_}/team.db"
    barrier = context.Barrier(PROCESSES)
    pipes = [start(children.open_and_create, url, barrier)[1] for _ in range(PROCESSES)]
    answers = [pipe.recv() for pipe in pipes]
    assert all(isinstance(answer, int) for answer in answers), answers
    with sync.open(url) as hub:
        (known,) = hub.projects()
        project = hub.project(known.key)
        types = [event.type for event in project.history()]
        assert types == ["project_created", *["task_created"] * PROCESSES]
        assert project.verify().ok


async def test_two_hubs_in_one_process_race_for_a_project(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    async with arbeit.open(url) as first, arbeit.open(url) as second:
        made: list[arbeit.Project] = []

        async def make(hub: arbeit.Hub) -> None:
            made.append(await hub.project("demo", create=True))

        async with anyio.create_task_group() as group:
            for hub in (first, second) * 5:
                group.start_soon(make, hub)
        assert len(made) == 10
        assert [event.type for event in await made[0].history()] == ["project_created"]


# -- files that are something else ------------------------------------------------------------------------------------


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    with sync.open(f"sqlite:///{path}"):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(statements.migrations()) + 1}")
    connection.close()
    error = opening(path)
    assert error.code is Code.SCHEMA_TOO_NEW
    assert "Upgrade" in error.suggestions[0]


@pytest.mark.parametrize("user_version", [0, len(statements.migrations()), 99])
@pytest.mark.parametrize("application_id", [0, 7])
def test_the_database_of_another_program_is_refused_and_left_as_it_was(
    tmp_path: Path, user_version: int, application_id: int
) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        f"CREATE TABLE tasks (id); PRAGMA user_version = {user_version}; PRAGMA application_id = {application_id};"
    )
    connection.close()
    before = path.read_bytes()
    error = opening(path)
    assert (error.code, "another program" in error.message) == (Code.INVALID_INPUT, True)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"Dear diary, " * 1000)
    assert opening(path).code is Code.INVALID_INPUT
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert opening(tmp_path).code is Code.INVALID_INPUT


def test_a_file_for_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert opening(tmp_path / "file" / "team.db").code is Code.STORE_UNAVAILABLE


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "team.db").touch()
    with sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        assert hub.project("demo", create=True).verify().ok


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite://host/team.db",
        "sqlite:///team.db?mode=ro",
        "sqlite:///team.db?synchronous=OFF",
        "memory://?x=1",
        "mysql://host/db",
        "team.db",
        "",
    ],
)
def test_a_url_that_means_nothing_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert opening(url).code is Code.INVALID_INPUT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["with space.db", "ünïcode-\U0001f9e0.db", "per%25.db", "hash#.db", "quest%3F.db"])
def test_odd_names_are_names(name: str, tmp_path: Path) -> None:
    with sync.open(f"sqlite:///{quote(str(tmp_path))}/{name.replace('#', '%23')}") as hub:
        hub.project("demo", create=True)
    assert (tmp_path / unquote(name)).exists()


def test_a_relative_path_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with sync.open("sqlite:///team.db"):
        pass
    assert (tmp_path / "team.db").exists()


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        hub.project("demo", create=True)
        # The lock file holds nothing.
        written = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
        assert [path.name for path in written if path.stat().st_mode & 0o077] == []


# -- files that may not be opened ------------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users may enter, for a child that is one of them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another matter there")
@pytest.mark.parametrize("case", ["unreadable file", "read-only file", "read-only folder", "unreadable folder"])
def test_a_file_one_may_not_write_is_refused(public: Path, start: Start, case: str) -> None:
    path = public / "folder" / "team.db"
    if case != "read-only folder":
        with sync.open(f"sqlite:///{path}") as hub:
            hub.project("demo", create=True)
    path.parent.mkdir(exist_ok=True)
    made = [*path.parent.iterdir()]
    for file in made:
        file.chmod(0o000 if case == "unreadable file" else 0o444)
    path.parent.chmod({"unreadable folder": 0o000, "read-only folder": 0o555}.get(case, 0o777))
    try:
        _, pipe = start(children.open_as_nobody, str(path))
        code, message = pipe.recv()
    finally:
        path.parent.chmod(0o755)
    if code == "skip":
        pytest.skip(message)
    assert (code, bool(message)) == ("STORE_UNAVAILABLE", True), message


# -- network file systems ---------------------------------------------------------------------------------------------

LOCAL = "/dev/root / ext4 rw 0 0\nproc /proc proc rw 0 0\n"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"{LOCAL}server:/share {tmp_path} {kind} rw 0 0\n")
    with pytest.raises(ArbeitError) as caught:
        refuse_network(tmp_path / "a" / "team.db", str(mounts))
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert kind in caught.value.message
    assert any("local disk" in hint for hint in caught.value.suggestions)


def test_what_lies_elsewhere_is_not_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    (tmp_path / "local").mkdir()
    mounts.write_text(
        f"{LOCAL}"
        f"server:/share {tmp_path}/share nfs rw 0 0\n"
        f"server:/prefix {tmp_path}/loc nfs rw 0 0\n"
        f"server:/over {tmp_path}/local nfs rw 0 0\n"
        f"/dev/sdb {tmp_path}/local ext4 rw 0 0\n"
        "short line\n"
    )
    refuse_network(tmp_path / "team.db", str(mounts))
    # Mounted over the share, so the share is out of sight.
    refuse_network(tmp_path / "local" / "team.db", str(mounts))
    with pytest.raises(ArbeitError):
        refuse_network(tmp_path / "share" / "team.db", str(mounts))
    refuse_network(tmp_path / "share" / "team.db", str(tmp_path / "no such mounts"))


def test_a_mount_point_with_a_space_and_a_link_into_it_are_seen(tmp_path: Path) -> None:
    mounts, share = tmp_path / "mounts", tmp_path / "my share"
    share.mkdir()
    escaped = str(share).replace(" ", "\\040")
    mounts.write_text(f"{LOCAL}server:/share {escaped} nfs4 rw 0 0\n")
    (tmp_path / "link").symlink_to(share)
    for path in (share / "team.db", tmp_path / "link" / "team.db"):
        with pytest.raises(ArbeitError):
            refuse_network(path, str(mounts))


def test_opening_looks_at_the_mounts_before_it_touches_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"{LOCAL}server:/share {tmp_path}/share nfs rw 0 0\n")
    (tmp_path / "share").mkdir()
    monkeypatch.setattr(sqlite, "refuse_network", lambda path: refuse_network(path, str(mounts)))
    assert opening(tmp_path / "share" / "team.db").code is Code.STORE_UNAVAILABLE
    assert list((tmp_path / "share").iterdir()) == []


def test_nothing_stays_open_when_opening_fails(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open files cannot be listed here")
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (id)")
    connection.close()
    opening(path)
    held = [str(one.readlink()) for one in descriptors.iterdir() if one.exists()]
    assert [name for name in held if name.startswith(str(tmp_path))] == []
