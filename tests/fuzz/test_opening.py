"""Whatever is opened is a store or refused, and nothing is left lying around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import arbeit.sync
from arbeit.core.errors import Code
from arbeit.secret_providers import EnvSecrets, FileSecrets
from tests.core.harness import examples
from tests.fuzz.wild import JUNK, told

WORDS = st.sampled_from(
    [
        "memory",
        "sqlite",
        "json",
        "://",
        ":",
        "/",
        "//",
        "?",
        "&",
        "=",
        "#",
        "@",
        "[",
        "]",
        "%00",
        "%2e%2e",
        "%",
        "synchronous",
    ]
)
here = settings(examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])


def opened(url: Any, **given_: Any) -> Any:  # noqa: ANN401 - wrong ones
    with arbeit.sync.open(url, **given_) as hub:
        return hub.projects()


@here
@given(st.lists(st.one_of(WORDS, st.text(max_size=3)), max_size=8).map("".join))
@example("sqlite://host/path")
@example("memory://?x=1")
@example("http://[::1")
@example("sqlite:///x?synchronous=NEVER")
@example("memory://\udcff")
def test_any_url_is_opened_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    # Files stay in this folder.
    refused = None if "sqlite:///" in url and ("//" in url[9:] or ".." in url) else told(lambda: opened(url))
    assert refused is None or refused.code in {Code.INVALID_INPUT, Code.STORE_UNAVAILABLE}


@pytest.mark.parametrize("name", ["url", "key", "policies", "secrets"])
def test_any_argument_of_open_is_taken_or_refused(name: str) -> None:
    for value in JUNK:
        arguments: dict[str, Any] = {"url": "memory://", name: value}
        refused = told(lambda arguments=arguments: opened(**arguments))  # type: ignore[misc]  # bound now
        assert refused is None or refused.code is Code.INVALID_INPUT


@examples(150)
@given(
    st.one_of(
        st.text(max_size=30), st.sampled_from(["../x", "/etc/passwd", "a/../../b", "a\0b", "\ud800", ".", "", "~"])
    )
)
def test_no_path_of_a_secret_leads_out_of_its_folder(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "secrets"
    folder.mkdir(exist_ok=True)
    found: list[str] = []
    assert told(lambda: found.append(FileSecrets(folder).resolve(path))) is not None
    assert found == []


@examples(100)
@given(st.one_of(st.text(max_size=30), st.sampled_from(["", "=", "A=B", "a\0b", "\ud800"])))
def test_a_variable_that_is_not_there_is_refused(path: str) -> None:
    found: list[str] = []
    refused = told(lambda: found.append(EnvSecrets().resolve(path)))
    assert (refused is None) == bool(found)


@pytest.mark.parametrize("key", ["", " ", "-a", "A", "a" * 64, "a/b", "a\0", "\ud800", None, 5, [], "a\n"])
def test_no_project_has_a_key_that_is_none(key: Any) -> None:  # noqa: ANN401 - wrong ones
    with arbeit.sync.open("memory://") as hub:
        refused = told(lambda: hub.project(key, create=True))
        assert refused is not None
        assert hub.projects() == []
