"""What holders attach is there for those who come after, as it was; what a lost lease attaches is not."""

import io
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import anyio
import pytest
from attrs import evolve

import arbeit
from arbeit import sync
from arbeit.backends.memory import MemoryStore
from arbeit.blobs import FileBlobs, MemoryBlobs, _FileWriter
from arbeit.compose import wire_up
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Grant
from arbeit.hookspecs import hookimpl
from arbeit.policies import QueueAccess
from arbeit.project import Project
from arbeit.testing.contract import KEY
from arbeit.transfer import NOTHING, Source, _File, media_type_of

DATA = bytes(range(256)) * 3000  # more than two chunks


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'team.db'}"


def started(hub: sync.Hub) -> tuple[sync.Project, sync.Work]:
    project = hub.project("demo", create=True)
    project.create_task("Test it")
    work = project.claim("ann")
    assert work is not None
    return project, work


async def begun(hub: arbeit.Hub) -> tuple[Project, arbeit.Work]:
    project = await hub.project("demo", create=True)
    await project.create_task("Test it")
    work = await project.claim("ann")
    assert work is not None
    return project, work


def sources(tmp_path: Path) -> dict[str, Callable[[], Source]]:
    path = tmp_path / "given"
    path.write_bytes(DATA)
    pieces = [DATA[:1], b"", DATA[1:500_000], DATA[500_000:]]
    return {
        "bytes": lambda: DATA,
        "bytearray": lambda: bytearray(DATA),
        "memoryview": lambda: memoryview(DATA),
        "path": lambda: path,
        "file": lambda: io.BytesIO(DATA),
        "list": lambda: pieces,
        "iterator": lambda: iter(pieces),
    }


KINDS = ["bytes", "bytearray", "memoryview", "path", "file", "list", "iterator"]


# --- the synchronous face -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_gives_bytes_is_attached_and_read_again(url: str, kind: str, tmp_path: Path) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        artifact = work.attach("out.bin", sources(tmp_path)[kind]())
        assert (artifact.name, artifact.size, artifact.sha256) == ("out.bin", len(DATA), sha256(DATA).hexdigest())
        assert (artifact.task_id, artifact.run_id, artifact.fence) == (work.task.id, work.run.id, work.lease.fence)
        assert b"".join(project.read_artifact(artifact.id)) == DATA
        assert project.artifact(artifact.id) == artifact
        assert work.task.artifacts == 1


def test_nothing_at_all_can_be_attached(url: str) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        artifact = work.attach("empty", b"")
        assert (artifact.size, artifact.sha256) == (0, NOTHING)
        assert list(project.read_artifact(artifact.id)) == []


def test_an_artifact_is_evidence_enough(url: str) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        with pytest.raises(ArbeitError) as caught:
            work.complete("done")
        assert caught.value.code is Code.EVIDENCE_REQUIRED
        work.attach("report.txt", b"41 passed")
        work.complete("done")
        assert project.get(work.task.id).task.status == "completed"


def test_artifacts_outlive_the_process_beside_the_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'team.db'}"
    with sync.open(url) as hub:
        _, work = started(hub)
        assert sorted(path.name for path in tmp_path.glob("*artifacts*")) == []
        artifact = work.attach("report.txt", b"41 passed")
    place = tmp_path / "team.db.artifacts" / "sha256" / artifact.sha256[:2] / artifact.sha256[2:]
    assert place.read_bytes() == b"41 passed"
    with sync.open(url) as hub:
        assert list(hub.project("demo").read_artifact(artifact.id)) == [b"41 passed"]


def test_another_folder_may_be_chosen(tmp_path: Path) -> None:
    with sync.open(f"sqlite:///{tmp_path / 'team.db'}?artifacts={tmp_path / 'else where'}&synchronous=normal") as hub:
        _, work = started(hub)
        work.attach("report.txt", b"41 passed")
    assert (tmp_path / "else where" / "sha256").is_dir()
    assert not (tmp_path / "team.db.artifacts").exists()


def test_memory_takes_no_folder() -> None:
    with pytest.raises(ArbeitError) as caught, sync.open("memory://?artifacts=/tmp"):
        pass
    assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize("how", ["ended", "taken"])
def test_a_lost_lease_attaches_nothing(url: str, how: str) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        if how == "ended":
            work.release("not mine")
        else:
            sync.Work(again(work.inner)).release("behind its back")
        before = project.history()
        with pytest.raises(ArbeitError) as caught:
            work.attach("late.txt", b"too late")
        assert caught.value.code is Code.LEASE_LOST
        assert project.history() == before
        assert project.get(work.task.id).task.artifacts == 0
        # Who knows that its tenure has ended stores nothing to begin with.
        assert project._session.kernel.blobs.has(sha256(b"too late").hexdigest()) is (how == "taken")


def again(work: arbeit.Work) -> arbeit.Work:
    """The same tenure in other hands."""
    return arbeit.Work(work._session, "demo", Grant(work.task, work.lease, work.run), work.token, None)


class Unready(io.BytesIO):
    """A file that has nothing yet, as one that does not block answers."""

    def read(self, _size: int | None = -1) -> bytes:
        return cast("bytes", None)


NO_BYTES = ["text", 5, None, ["text"], [1], [b"x", None], io.StringIO(""), io.StringIO("x"), Unready(), Path("/no/way")]


@pytest.mark.parametrize("data", NO_BYTES, ids=lambda data: type(data).__name__)
def test_what_is_no_source_of_bytes_is_refused_and_leaves_nothing(url: str, data: Source, tmp_path: Path) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        before = len(project.history())
        with pytest.raises(ArbeitError) as caught:
            work.attach("x", data)
        assert caught.value.code is Code.INVALID_INPUT
        assert caught.value.data["field"] == "data"
        assert len(project.history()) == before
        assert [path for path in tmp_path.glob("team.db.artifacts/**/*") if path.is_file()] == []


def test_a_source_that_fails_half_way_leaves_nothing(url: str, tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"half"
        raise LookupError("the other half")

    with sync.open(url) as hub:
        project, work = started(hub)
        with pytest.raises(LookupError, match="other half"):
            work.attach("x", failing())
        assert project.get(work.task.id).task.artifacts == 0
        assert [path for path in tmp_path.glob("team.db.artifacts/**/*") if path.is_file()] == []


@pytest.mark.parametrize(("name", "media_type"), [("", None), ("x" * 256, None), ("a\0b", None), ("x", "no type")])
def test_a_bad_name_or_media_type_is_refused_before_anything_is_stored(
    url: str, name: str, media_type: str | None
) -> None:
    def unread() -> Iterator[bytes]:
        pytest.fail("the data was read")
        yield b""

    with sync.open(url) as hub:
        _, work = started(hub)
        with pytest.raises(ArbeitError) as caught:
            work.attach(name, unread(), media_type=media_type)
        assert caught.value.code is Code.INVALID_INPUT


def test_attaching_again_under_a_key_gives_the_first_artifact(url: str) -> None:
    with sync.open(url) as hub:
        _, work = started(hub)
        first = work.attach("a", b"x", idempotency_key="k")
        assert work.attach("a", b"x", idempotency_key="k") == first
        with pytest.raises(ArbeitError) as caught:
            work.attach("a", b"y", idempotency_key="k")
        assert caught.value.code is Code.IDEMPOTENCY_MISMATCH


def test_an_artifact_that_is_not_there_is_not_found(url: str) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        for call in (project.artifact, project.read_artifact, lambda name: project.save_artifact(name, "never")):
            with pytest.raises(ArbeitError) as caught:
                list(cast("Any", call)("art-nowhere"))
            assert caught.value.code is Code.ARTIFACT_NOT_FOUND
        artifact = work.attach("x", b"x")
        hub.project("other", create=True)
        with pytest.raises(ArbeitError) as caught:
            hub.project("other").artifact(artifact.id)
        assert caught.value.code is Code.ARTIFACT_NOT_FOUND


def test_who_does_not_see_a_task_sees_none_of_its_artifacts(url: str) -> None:
    access = QueueAccess({"eve": frozenset({"hers"})})
    with sync.open(url, policies={"access": access}) as hub:
        project, work = started(hub)
        artifact = work.attach("x", b"x")
        with pytest.raises(ArbeitError) as caught:
            list(project.as_("eve").read_artifact(artifact.id))
        assert caught.value.code is Code.ARTIFACT_NOT_FOUND


def test_an_artifact_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    with sync.open(f"sqlite:///{tmp_path / 'team.db'}") as hub:
        project, work = started(hub)
        artifact = work.attach("x", DATA)
        target = tmp_path / "out" / "saved"
        with pytest.raises(ArbeitError) as caught:
            project.save_artifact(artifact.id, target)
        assert (caught.value.code, caught.value.data["field"]) == (Code.INVALID_INPUT, "path")
        target.parent.mkdir()
        target.write_bytes(b"old")
        assert project.save_artifact(artifact.id, str(target)) == artifact
        assert target.read_bytes() == DATA
        place = cast("FileBlobs", project._session.kernel.blobs).place(artifact.sha256)
        place.write_bytes(DATA[:-1] + b"!")
        with pytest.raises(ArbeitError) as caught:
            project.save_artifact(artifact.id, target)
        assert caught.value.code is Code.STORE_UNAVAILABLE
        assert target.read_bytes() == DATA
        assert [path.name for path in target.parent.iterdir()] == ["saved"]
        place.unlink()
        with pytest.raises(ArbeitError) as caught:
            list(project.read_artifact(artifact.id))
        assert caught.value.code is Code.ARTIFACT_NOT_FOUND


def test_saving_nothing_makes_an_empty_file(url: str, tmp_path: Path) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        project.save_artifact(work.attach("x", b"").id, tmp_path / "empty")
        assert (tmp_path / "empty").read_bytes() == b""


def test_the_synchronous_face_takes_no_asynchronous_iterable() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b""  # pragma: no cover - never begun

    with sync.open("memory://") as hub:
        _, work = started(hub)
        with pytest.raises(ArbeitError) as caught:
            work.attach("x", chunks())
        assert caught.value.code is Code.INVALID_INPUT


def test_the_name_of_an_artifact_is_redacted() -> None:
    with sync.open("memory://") as hub:
        _, work = started(hub)
        assert work.attach("gh" + "p_" + "a1B2" * 9, b"x").name == "[redacted: github token]"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("report.txt", "text/plain"),
        ("a.b.json", "application/json"),
        ("shot.PNG", "image/png"),
        ("run.log", "text/plain"),
        ("events.jsonl", "application/x-ndjson"),
        ("fix.patch", "text/x-diff"),
        ("conf.yaml", "application/yaml"),
        ("dump.tar.gz", "application/gzip"),
        ("log.txt.bz2", "application/x-bzip2"),
        ("README", "application/octet-stream"),
        ("data:text/html,x", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("x.unheard-of", "application/octet-stream"),
    ],
)
def test_the_media_type_is_guessed_from_the_name(name: str, kind: str) -> None:
    assert media_type_of(name) == kind


def test_a_media_type_that_is_given_stands() -> None:
    with sync.open("memory://") as hub:
        _, work = started(hub)
        assert work.attach("report.txt", b"x").media_type == "text/plain"
        assert work.attach("report.txt", b"x", media_type="text/x-mine; charset=utf-8").media_type.startswith("text/x-")


# --- the asynchronous face ----------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [*KINDS, "asynchronous"])
async def test_the_asynchronous_face_does_the_same(url: str, kind: str, tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(DATA), 100_000):
            await anyio.lowlevel.checkpoint()
            yield DATA[at : at + 100_000]

    async with arbeit.open(url) as hub:
        project, work = await begun(hub)
        source = chunks() if kind == "asynchronous" else sources(tmp_path)[kind]()
        artifact = await work.attach("out.bin", source)
        assert (artifact.size, artifact.sha256) == (len(DATA), sha256(DATA).hexdigest())
        assert b"".join([chunk async for chunk in project.read_artifact(artifact.id)]) == DATA
        await project.save_artifact(artifact.id, tmp_path / "saved")
        assert await anyio.Path(tmp_path / "saved").read_bytes() == DATA
        with pytest.raises(ArbeitError) as caught:
            [chunk async for chunk in project.read_artifact("art-nowhere")]
        assert caught.value.code is Code.ARTIFACT_NOT_FOUND


@pytest.mark.anyio
async def test_a_lease_that_is_lost_while_the_bytes_are_stored_attaches_nothing(url: str) -> None:
    async with arbeit.open(url) as hub:
        project, work = await begun(hub)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first half"
            await again(work).release("gone")
            yield b"second half"

        with pytest.raises(ArbeitError) as caught:
            await work.attach("late.txt", chunks())
        assert caught.value.code is Code.LEASE_LOST
        assert (await project.get(work.task.id)).task.artifacts == 0
        assert "artifact_attached" not in [event.type for event in await project.history()]


@pytest.mark.anyio
async def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    async with arbeit.open(f"sqlite:///{tmp_path / 'team.db'}") as hub:
        project, work = await begun(hub)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first half"
            scope.cancel()
            await anyio.sleep_forever()

        with anyio.CancelScope() as scope:
            await work.attach("x", chunks())
        assert scope.cancelled_caught
        assert [path async for path in anyio.Path(tmp_path / "team.db.artifacts").glob("unfinished/*")] == []
        assert (await project.get(work.task.id)).task.artifacts == 0


@pytest.mark.anyio
async def test_an_upload_never_reads_or_writes_a_disk_in_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watched(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            seen.append(get_ident())
            return real(*args)

        return call

    for name in ("_append", "_keep"):
        monkeypatch.setattr(_FileWriter, name, watched(getattr(_FileWriter, name)))
    monkeypatch.setattr(_File, "__next__", watched(_File.__next__))
    path = tmp_path / "given"
    await anyio.Path(path).write_bytes(DATA)
    async with arbeit.open(f"sqlite:///{tmp_path / 'team.db'}") as hub:
        _, work = await begun(hub)
        await work.attach("x", path)
    assert len(seen) == 3 + 1 + 4
    assert get_ident() not in seen


@pytest.mark.anyio
async def test_a_closed_hub_stores_nothing_more(url: str) -> None:
    async with arbeit.open(url) as hub:
        project, work = await begun(hub)
        artifact = await work.attach("x", b"x")
    for call in (work.attach("x", b"x"), project.artifact(artifact.id), project.secrets()):
        with pytest.raises(ArbeitError) as caught:
            await call
        assert caught.value.code is Code.NOT_INITIALIZED


def test_a_plug_in_store_that_outlives_the_process_keeps_no_artifacts_in_memory() -> None:
    class Durable(MemoryStore):
        capabilities = evolve(MemoryStore.capabilities, durable=True)

    class Backends:
        @staticmethod
        @hookimpl
        def arbeit_backends() -> dict[str, Any]:
            return {"mine": lambda _url, clock: Durable(clock), "brief": lambda _url, clock: MemoryStore(clock)}

    wiring = wire_up("mine://", key=KEY, plugins=[Backends()])
    with pytest.raises(ArbeitError) as caught:
        wiring.blobs.write()
    assert caught.value.code is Code.NOT_INITIALIZED
    assert not wiring.blobs.has(NOTHING)
    assert isinstance(wire_up("brief://", plugins=[Backends()]).blobs, MemoryBlobs)


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="no such device here")
def test_a_device_is_no_source_for_it_may_never_end() -> None:
    with sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        project.create_task("a")
        work = project.claim("impl-1")
        assert work is not None
        with pytest.raises(arbeit.ArbeitError, match="device") as caught:
            work.attach("zeros", Path("/dev/zero"))
        assert caught.value.code == "INVALID_INPUT"
        assert project.get(work.task.id, include=["artifacts"]).artifacts == ()
