"""Text that comes as words, from standard input, or from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

import arbeit.sync
from adapters.cli.tests.conftest import Add, Answer, Say


def content(answer: Answer) -> str:
    return str(answer.data["entry"]["content"])


def test_text_comes_from_wherever_it_is(add: Add, say: Say, shop: Path) -> None:
    task = add("Sweep")
    (shop / "note.md").write_text("from a file\n\nin two parts\n")
    assert content(say("note", task, "as words", "--json")) == "as words"
    assert content(say("note", task, "-m", "- as an option", "--json")) == "- as an option"
    assert content(say("note", task, "-", "--json", stdin="piped\n")) == "piped"
    assert content(say("note", task, "-m", "-", "--json", stdin="piped too")) == "piped too"
    assert content(say("note", task, "--body-file", "note.md", "--json")) == "from a file\n\nin two parts"
    assert content(say("note", task, "--body-file", "-", "--json", stdin="a\r\nb\n\n")) == "a\nb\n"


def test_standard_input_is_read_only_where_it_is_asked_for(add: Add, say: Say) -> None:
    task = add("Sweep")
    assert content(say("note", task, "said", "--json", stdin="not read")) == "said"
    assert say("note", task, stdin="not read").code == 2


def test_a_description_and_an_outcome_may_be_piped(add: Add, say: Say) -> None:
    made = say("add", "Sweep", "-d", "-", "--json", stdin="everywhere").data["task"]
    assert made["description"] == "everywhere"
    assert say("claim", made["id"]).code == 0
    assert say("done", "--body-file", "-", stdin="swept").code == 0
    assert "swept" in say("show", made["id"]).out
    assert add("another")


def test_text_is_kept_to_the_letter(add: Add, say: Say) -> None:
    task = add("Sweep")
    said = 'tab\there, 設計 🧹 é\n\n  indented\n$HOME `x` "quoted" \\n'
    assert content(say("note", task, "-", "--json", stdin=said)) == said


@pytest.mark.parametrize(
    ("piped", "why"),
    [
        (b"x" * (1024 * 1024 + 1), "more than 1048576 bytes"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"x" * (64 * 1024 + 1), "65537 bytes long; 65536 are allowed"),
        (b"a\0b", "U+0000"),
        (b"", "must not be empty"),
        (b"\n", "must not be empty"),
    ],
    ids=["1 MiB", "bytes", "64 KiB", "nul", "empty", "a line end"],
)
def test_text_that_cannot_be_kept_is_refused_whole(piped: bytes, why: str, add: Add, say: Say) -> None:
    task = add("Sweep")
    answer = say("note", task, "-", "--json", stdin=piped)
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")
    assert why in answer.error["message"]
    assert say("show", task, "--json").data["context"] == []


def test_the_largest_text_that_may_be_is_kept_and_its_author_hears_its_beginning(
    add: Add, say: Say, shop: Path
) -> None:
    task = add("Sweep")
    assert content(say("note", task, "-", "--json", stdin="x" * 64 * 1024)).endswith("x…")
    with arbeit.sync.open(f"sqlite:///{shop}/.arbeit/arbeit.db") as hub:
        (kept,) = hub.project("shop").get(task, include=["context"]).context or ()
    assert kept.content == "x" * 64 * 1024


@pytest.mark.parametrize("file", ["nothing.md", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(file: str, add: Add, say: Say) -> None:
    task = add("Sweep")
    answer = say("note", task, "--body-file", file, "--json")
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")


def test_text_given_twice_is_refused(add: Add, say: Say) -> None:
    task = add("Sweep")
    assert say("note", task, "-m", "a", "--body-file", "-", stdin="b").code == 2
    assert say("note", task, "said", "-m", "a").code == 2
    assert say("note", task, "not", "quoted").code == 2
    assert say("show", task, "--json").data["context"] == []


def test_a_name_that_is_no_text_is_refused(say: Say, shop: Path) -> None:
    assert shop.is_dir()
    answer = say("add", "half a \udce4 character", "--json")
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")


def test_files_of_any_bytes_are_attached(add: Add, say: Say, shop: Path) -> None:
    add("Sweep")
    assert say("claim").code == 0
    bytes_of_it = bytes(range(256)) * 1000
    (shop / "photo.jpg").write_bytes(bytes_of_it)
    made = say("attach", "photo.jpg", "--json").data["artifact"]
    assert (made["size"], made["media_type"]) == (256_000, "image/jpeg")
    piped = say("attach", "-", "--name", "p.bin", "--json", stdin=b"\x00\xff").data["artifact"]
    assert piped["size"] == 2
    assert say("attach", "-", stdin=b"nameless").code == 2
    assert say("attach", "nothing.jpg", "--json").error["code"] == "INVALID_INPUT"
    assert say("save", made["id"], "copy.jpg").code == 0
    assert (shop / "copy.jpg").read_bytes() == bytes_of_it


def test_a_kept_file_never_lands_outside_of_the_folder(add: Add, say: Say, shop: Path) -> None:
    add("Sweep")
    assert say("claim").code == 0
    for name in ("../../evil.txt", "/tmp/evil-of-arbeit.txt", "..\\evil.txt"):  # noqa: S108 - must not be written
        made = say("attach", "-", "--name", name, "--json", stdin=b"x").data["artifact"]
        saved = say("save", made["id"], "--overwrite", "--json").data["path"]
        assert (shop / saved).resolve().parent == shop.resolve(), name
    assert not (shop.parent / "evil.txt").exists()
