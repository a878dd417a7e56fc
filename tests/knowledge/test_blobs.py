"""Bytes are kept once, whole or not at all, and are what they were."""

import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbeit.blobs import FileBlobs, MemoryBlobs
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import ARTIFACT_BYTES
from arbeit.ports import Blob, BlobStore

quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Make = Callable[..., BlobStore]


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemoryBlobs
    return lambda **options: FileBlobs(tmp_path / "artifacts", **options)


def put(blobs: BlobStore, chunks: Iterable[bytes]) -> Blob:
    writer = blobs.write()
    for chunk in chunks:
        writer.write(chunk)
    return writer.commit()


def got(blobs: BlobStore, address: str, chunk: int = 7) -> bytes:
    return b"".join(blobs.read(address, chunk))


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def code_of(call: Callable[[], object]) -> Code:
    with pytest.raises(ArbeitError) as caught:
        call()
    return caught.value.code


@quick
@given(st.lists(st.binary(max_size=64), max_size=8), st.integers(1, 100))
def test_what_is_read_is_what_was_written(make: Make, chunks: list[bytes], size: int) -> None:
    blobs, data = make(), b"".join(chunks)
    blob = put(blobs, chunks)
    assert blob == Blob(sha256(data).hexdigest(), len(data))
    read = list(blobs.read(blob.sha256, size))
    assert b"".join(read) == data
    assert all(0 < len(part) <= size for part in read)
    assert blobs.has(blob.sha256)


def test_the_limit_is_five_gibibytes() -> None:
    assert ARTIFACT_BYTES == 5 * 2**30


def test_a_blob_beyond_the_limit_is_refused_while_it_is_written(make: Make, tmp_path: Path) -> None:
    blobs = make(limit=10)
    assert put(blobs, [b"12345", b"67890"]).size == 10
    writer = blobs.write()
    writer.write(b"12345678")
    with pytest.raises(ArbeitError) as caught:
        writer.write(b"90!")
    assert (caught.value.code, caught.value.data["limit"]) == (Code.LIMIT_EXCEEDED, 10)
    with pytest.raises(ValueError, match="ended"):
        writer.write(b"")
    assert not blobs.has(sha256(b"1234567890!").hexdigest())
    assert [name for name in files(tmp_path) if "unfinished" in name] == []


@pytest.mark.parametrize("chunk", ["text", 5, None, ["a"]])
def test_only_bytes_are_written(make: Make, chunk: object) -> None:
    writer = make().write()
    assert code_of(lambda: writer.write(chunk)) is Code.INVALID_INPUT  # type: ignore[arg-type]  # the point


def test_any_kind_of_bytes_is_written(make: Make) -> None:
    blobs = make()
    chunks: list[Any] = [bytearray(b"ab"), memoryview(b"cd"), b""]
    assert got(blobs, put(blobs, chunks).sha256) == b"abcd"


def test_an_aborted_writer_leaves_nothing(make: Make, tmp_path: Path) -> None:
    blobs = make()
    writer = blobs.write()
    writer.write(b"half of it")
    writer.abort()
    writer.abort()
    with pytest.raises(ValueError, match="ended"):
        writer.commit()
    assert not blobs.has(sha256(b"half of it").hexdigest())
    assert files(tmp_path) == []


def test_aborting_after_the_commit_forgets_nothing(make: Make) -> None:
    blobs = make()
    writer = blobs.write()
    writer.write(b"kept")
    blob = writer.commit()
    writer.abort()
    assert got(blobs, blob.sha256) == b"kept"


def test_a_blob_that_is_not_there_is_not_found(make: Make) -> None:
    blobs, nowhere = make(), "0" * 64
    assert not blobs.has(nowhere)
    assert code_of(lambda: blobs.read(nowhere)) is Code.ARTIFACT_NOT_FOUND
    blobs.delete(nowhere)


def test_a_deleted_blob_is_gone(make: Make) -> None:
    blobs = make()
    blob = put(blobs, [b"x"])
    blobs.delete(blob.sha256)
    assert not blobs.has(blob.sha256)
    assert put(blobs, [b"x"]) == blob
    assert got(blobs, blob.sha256) == b"x"


BAD = ["", "0" * 63, "0" * 65, "A" * 64, "../" + "0" * 61, "0" * 63 + "\n", "/etc/passwd", "é" * 64, "\u0660" * 64]


@pytest.mark.parametrize("address", [*BAD, None, 7])
def test_what_is_no_checksum_names_no_file(make: Make, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = make()
    for name in ("stat", "open", "unlink"):
        monkeypatch.setattr(Path, name, lambda *_args, **_kwargs: pytest.fail("the disk was looked at"))
    for call in (blobs.has, blobs.read, blobs.delete):
        assert code_of(lambda call=call: call(address)) is Code.INVALID_INPUT  # type: ignore[misc]  # a bound default


# --- files --------------------------------------------------------------------------------------------------


def test_the_folder_is_made_by_the_first_write(tmp_path: Path) -> None:
    root = tmp_path / "a" / "artifacts"
    blobs = FileBlobs(root)
    assert not blobs.has("0" * 64)
    assert list(tmp_path.iterdir()) == []
    put(blobs, [b"x"])
    assert root.is_dir()


def test_the_same_content_is_stored_once_under_its_checksum(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    first, second = put(blobs, [b"same"]), put(blobs, [b"sa", b"me"])
    assert first == second
    assert files(tmp_path) == [f"sha256/{first.sha256[:2]}/{first.sha256[2:]}"]


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    previous = os.umask(0)
    try:
        put(FileBlobs(root), [b"x"])
    finally:
        os.umask(previous)
    for path in [root, *root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("damage", [b"sane!", b"sam", b"", b"same and more"])
def test_damaged_bytes_are_never_given_out_whole(tmp_path: Path, damage: bytes) -> None:
    blobs = FileBlobs(tmp_path)
    blob = put(blobs, [b"same"])
    blobs.place(blob.sha256).write_bytes(damage)
    for chunk in (1, 4, 100):
        read: list[bytes] = []
        with pytest.raises(ArbeitError) as caught:
            read.extend(blobs.read(blob.sha256, chunk))
        assert caught.value.code is Code.STORE_UNAVAILABLE
        assert blob.sha256 in caught.value.message
        assert len(b"".join(read)) < max(1, len(damage))


def test_attaching_again_heals_what_was_damaged(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blob = put(blobs, [b"same"])
    blobs.place(blob.sha256).write_bytes(b"lame")
    put(blobs, [b"same"])
    assert got(blobs, blob.sha256) == b"same"


def test_nothing_stands_in_its_place_before_the_commit(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    writer = blobs.write()
    writer.write(b"x" * 100_000)
    (unfinished,) = files(tmp_path)
    assert unfinished.startswith("unfinished/")
    blob = writer.commit()
    assert files(tmp_path) == [f"sha256/{blob.sha256[:2]}/{blob.sha256[2:]}"]


def test_bytes_are_synced_before_the_name_and_the_name_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, done = FileBlobs(tmp_path), list[str]()
    real_sync, real_replace = os.fsync, Path.replace

    def sync(number: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        real_sync(number)

    def replace(self: Path, target: Path) -> Path:
        done.append("name")
        return real_replace(self, target)

    writer = blobs.write()
    writer.write(b"x")
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    writer.commit()
    assert done[0] == "file"
    assert done[-2:] == ["name", "folder"]


def test_old_leftovers_of_crashed_writers_go_at_the_next_opening(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blob = put(blobs, [b"whole"])
    crashed, under_way = blobs.write(), blobs.write()
    for writer in (crashed, under_way):
        writer.write(b"half")
    old = next(iter((tmp_path / "unfinished").iterdir()))
    day = time.time() - 24 * 3600
    os.utime(old, (day - 60, day - 60))
    again = FileBlobs(tmp_path)
    assert len(files(tmp_path)) == 2
    assert not old.exists()
    assert got(again, blob.sha256) == b"whole"
    for writer in (crashed, under_way):
        writer.abort()
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("what", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_neither_a_blob_nor_a_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    blobs = FileBlobs(tmp_path)
    put(blobs, [b"before"])
    before = files(tmp_path)
    writer = blobs.write()

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    if what == "write":
        monkeypatch.setattr(writer, "_file", type("Full", (), {"write": fail, "close": writer._file.close})())
    else:
        monkeypatch.setattr(os if what == "fsync" else Path, what, fail)

    def store() -> None:
        try:
            writer.write(b"after")
            writer.commit()
        finally:
            writer.abort()

    with pytest.raises(ArbeitError, match="No space left") as caught:
        store()
    assert (caught.value.code, caught.value.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file")
    assert code_of(FileBlobs(tmp_path / "artifacts").write) is Code.STORE_UNAVAILABLE


def test_many_threads_store_the_same_and_other_things(make: Make) -> None:
    blobs = make()

    def work(number: int) -> None:
        for at in range(10):
            put(blobs, [b"shared", bytes([at])])
            put(blobs, [bytes([number]), bytes([at])])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at in range(10):
        assert got(blobs, sha256(b"shared" + bytes([at])).hexdigest()) == b"shared" + bytes([at])
        assert all(blobs.has(sha256(bytes([number, at])).hexdigest()) for number in range(4))


def test_a_reader_that_stops_early_leaves_no_file_open(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blob = put(blobs, [b"x" * 1000])
    reader = blobs.read(blob.sha256, 10)
    assert next(reader) == b"x" * 10
    reader.close()  # type: ignore[attr-defined]  # a generator
    fds = Path("/proc/self/fd")
    if fds.is_dir():
        opened = [str(fd.readlink()) for fd in fds.iterdir() if fd.is_symlink()]
        assert not any(re.search(blob.sha256[2:], name) for name in opened)
