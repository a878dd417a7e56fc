"""Secrets come from where they are kept, and show themselves to nobody by accident."""

import copy
import json
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbeit.core.errors import ArbeitError, Code
from arbeit.ports import SecretProvider
from arbeit.secret_providers import EnvSecrets, FileSecrets, Secret

VALUE = "correct horse battery staple"
quick = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def refused(call: Callable[[], object], code: Code) -> ArbeitError:
    with pytest.raises(ArbeitError) as caught:
        call()
    assert caught.value.code is code
    # Neither the error nor anything that a log of it would print holds the value.
    assert VALUE not in "".join(traceback.format_exception(caught.value))
    assert VALUE not in repr(caught.value.__context__)
    return caught.value


# --- the wrapper --------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_only_when_asked_to() -> None:
    secret = Secret(VALUE)
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", f"{secret:>40}", "%s %r" % (secret, secret),  # noqa: UP031 - another way to show
        repr([secret]), repr({"a": secret}), "{}".format(secret), repr(dir(secret)),  # noqa: UP032 - as above
    ]  # fmt: skip
    assert [text for text in shown if VALUE in text] == []
    assert f"{secret:>20}" == "         Secret(***)"
    assert secret.reveal() == VALUE
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_never_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps({"secret": Secret(VALUE)}, protocol)
    assert VALUE not in str(caught.value)
    with pytest.raises(TypeError):
        Secret(VALUE).__getstate__()


def test_a_secret_is_never_made_json_and_copies_are_itself() -> None:
    secret = Secret(VALUE)
    with pytest.raises(TypeError) as caught:
        json.dumps(secret)
    assert VALUE not in str(caught.value)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@quick
@given(st.text(), st.text())
def test_secrets_are_equal_when_they_hold_the_same(one: str, other: str) -> None:
    assert Secret(one) == Secret(one)
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) != one
    with pytest.raises(TypeError):
        hash(Secret(one))


# --- the environment ----------------------------------------------------------------------------------------


def test_a_variable_is_named_without_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARBEIT_SECRET_GITHUB", VALUE)
    monkeypatch.setenv("TEAM_GITHUB", "other")
    assert EnvSecrets().resolve("GITHUB") == VALUE
    assert EnvSecrets("TEAM_").resolve("GITHUB") == "other"


@quick
@given(st.one_of(st.text(max_size=20), st.sampled_from(["HOME", "PATH", "SECRET", "ARBEIT_SECRET_GITHUB", "GITHUB"])))
def test_no_variable_without_the_prefix_is_ever_read(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    read: list[str] = []

    class Watched(dict[str, str]):
        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]  # as it is used
            read.append(key)
            return default

    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", Watched())
        with pytest.raises(ArbeitError):
            EnvSecrets().resolve(path)
    assert all(key.startswith("ARBEIT_SECRET_") for key in read)


@pytest.mark.parametrize("path", ["", "A B", "A=B", "../X", "A\0B", "Ä", "x" * 129, None, 7])
def test_what_is_no_name_of_a_variable_is_refused(path: str) -> None:
    assert "GITHUB" in refused(lambda: EnvSecrets().resolve(path), Code.INVALID_INPUT).suggestions[0]


def test_a_variable_that_is_not_set_or_empty_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARBEIT_SECRET_NONE", raising=False)
    monkeypatch.setenv("ARBEIT_SECRET_EMPTY", "")
    for path in ("NONE", "EMPTY"):
        error = refused(lambda path=path: EnvSecrets().resolve(path), Code.STORE_UNAVAILABLE)  # type: ignore[misc]
        assert f"ARBEIT_SECRET_{path}" in error.message
    error = refused(lambda: EnvSecrets().resolve("ARBEIT_SECRET_NONE"), Code.STORE_UNAVAILABLE)
    assert "NONE" in error.suggestions[1]


@pytest.mark.parametrize("prefix", ["", "A B", "=", "x" * 129])
def test_a_prefix_that_would_open_the_whole_environment_is_refused(prefix: str) -> None:
    refused(lambda: EnvSecrets(prefix), Code.INVALID_INPUT)


# --- files --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    (tmp_path / "outside").write_text(VALUE)
    return made


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"v", "v"),
        (b"v\n", "v"),
        (b"v\r\n", "v"),
        (b"v\n\n", "v\n"),
        (b" v \n", " v "),
        (b"v\r", "v\r"),
        (b"\xc3\xbc", "ü"),
    ],
)
def test_a_file_is_read_without_the_line_end_at_its_end(folder: Path, content: bytes, value: str) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "key").write_bytes(content)
    assert FileSecrets(folder).resolve("sub/key") == value
    assert FileSecrets(str(folder)).resolve("./sub//key") == value


@pytest.mark.parametrize(
    "path", ["../outside", "sub/../../outside", "..", "", "a\0b", "x" * 1025, "..\\outside", None, 7, "sub/.."]
)
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, path: str) -> None:
    (folder / "sub").mkdir()
    refused(lambda: FileSecrets(folder).resolve(path), Code.INVALID_INPUT)
    refused(lambda: FileSecrets(folder).resolve(str(folder.parent / "outside")), Code.INVALID_INPUT)


def test_links_lead_within_the_folder_and_not_out_of_it(folder: Path) -> None:
    # Containers mount secrets as links: key -> ..data/key, ..data -> ..2026_01_01.
    (folder / "..2026_01_01").mkdir()
    (folder / "..2026_01_01" / "key").write_text("mounted")
    (folder / "..data").symlink_to("..2026_01_01")
    (folder / "key").symlink_to("..data/key")
    (folder / "escape").symlink_to(folder.parent / "outside")
    (folder / "way").symlink_to("..")
    (folder / "round").symlink_to("round")
    provider: SecretProvider = FileSecrets(folder)
    assert provider.resolve("key") == "mounted"
    for path in ("escape", "way/outside"):
        refused(lambda path=path: provider.resolve(path), Code.INVALID_INPUT)  # type: ignore[misc]
    refused(lambda: provider.resolve("round"), Code.STORE_UNAVAILABLE)


def test_a_folder_that_is_a_link_itself_is_fine(folder: Path) -> None:
    (folder / "key").write_text("v")
    (folder.parent / "link").symlink_to(folder)
    assert FileSecrets(folder.parent / "link").resolve("key") == "v"
    # A folder whose name begins alike is another folder.
    (folder.parent / "secrets-too").mkdir()
    (folder.parent / "secrets-too" / "key").write_text(VALUE)
    (folder / "near").symlink_to(folder.parent / "secrets-too" / "key")
    refused(lambda: FileSecrets(folder).resolve("near"), Code.INVALID_INPUT)


def test_what_is_no_plain_file_of_text_is_refused(folder: Path) -> None:
    (folder / "binary").write_bytes(VALUE.encode() + b"\xff")
    (folder / "long").write_bytes(b"x" * (64 * 1024 + 1))
    (folder / "full").write_bytes(b"x" * (64 * 1024))
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    secrets = FileSecrets(folder)
    refused(lambda: secrets.resolve("binary"), Code.INVALID_INPUT)
    refused(lambda: secrets.resolve("long"), Code.LIMIT_EXCEEDED)
    assert len(secrets.resolve("full")) == 64 * 1024
    refused(lambda: secrets.resolve("pipe"), Code.INVALID_INPUT)
    refused(lambda: secrets.resolve("missing"), Code.STORE_UNAVAILABLE)
    with pytest.raises(ArbeitError):
        secrets.resolve("sub")


def test_without_a_folder_every_file_is_refused() -> None:
    error = refused(lambda: FileSecrets().resolve("key"), Code.NOT_INITIALIZED)
    assert "FileSecrets" in error.suggestions[0]
