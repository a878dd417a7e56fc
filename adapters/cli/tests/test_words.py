"""What a command line is understood as, and what is said of one that is not."""

from __future__ import annotations

import argparse
import re

import pytest

from arbeit_cli import parsing
from arbeit_cli.commands import COMMANDS, GROUPS
from arbeit_cli.words import split


@pytest.fixture
def parser() -> parsing.Parser:
    made = parsing.Parser("try")
    made.add_argument("task", nargs="?")
    made.add_argument("text", nargs="*")
    made.add_argument("-m", "--message")
    made.add_argument("-q", "--quiet", action="store_true")
    made.add_argument("-n", "--next", action="store_true")
    made.add_argument("--tag", action="append")
    made.add_argument("-w", "--wait", nargs="?", type=float, const=-1.0, default=0.0)
    return made


def test_options_may_stand_between_positional_words(parser: parsing.Parser) -> None:
    args = parsing.parse(parser, ["one", "-m", "said", "two", "--quiet", "three"])
    assert (args.task, args.text, args.message, args.quiet) == ("one", ["two", "three"], "said", True)


def test_values_may_begin_with_a_hyphen(parser: parsing.Parser) -> None:
    args = parsing.parse(parser, ["-m", "- a list item", "--tag", "-x", "--tag=--y", "--tag", "--json"])
    assert (args.message, args.tag, args.json) == ("- a list item", ["-x", "--y", "--json"], False)


def test_an_empty_value_is_a_value(parser: parsing.Parser) -> None:
    assert parsing.parse(parser, ["-m", "", "x"]).message == ""


def test_short_options_join(parser: parsing.Parser) -> None:
    args = parsing.parse(parser, ["-qnm", "said", "x"])
    assert (args.quiet, args.next, args.message, args.task) == (True, True, "said", "x")
    assert parsing.parse(parser, ["-msaid"]).message == "said"


def test_words_after_two_hyphens_are_no_options(parser: parsing.Parser) -> None:
    args = parsing.parse(parser, ["-q", "--", "-m", "--json"])
    assert (args.task, args.text, args.message, args.json) == ("-m", ["--json"], None, False)


def test_a_hyphen_alone_is_a_word(parser: parsing.Parser) -> None:
    assert parsing.parse(parser, ["-", "-m", "-"]).task == "-"


@pytest.mark.parametrize(
    ("words", "wait", "task"),
    [
        (["--wait", "30", "x"], 30.0, "x"),
        (["--wait", "x"], -1.0, "x"),
        (["--wait"], -1.0, None),
        (["--wait=5"], 5.0, None),
        (["x"], 0.0, "x"),
    ],
)
def test_an_optional_value_is_taken_where_it_fits(
    parser: parsing.Parser, words: list[str], wait: float, task: str | None
) -> None:
    args = parsing.parse(parser, words)
    assert (args.wait, args.task) == (wait, task)


def test_a_command_line_behind_two_hyphens_is_kept_apart(parser: parsing.Parser) -> None:
    parser.takes_command = True
    args = parsing.parse(parser, ["x", "--", "pytest", "-q", "--json"])
    assert (args.task, args.command_line, args.json) == ("x", ["pytest", "-q", "--json"], False)


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["--massage", "x"], "--message"), (["--quite"], "--quiet"), (["--jsn"], "--json")],
)
def test_a_mistyped_option_is_guessed(parser: parsing.Parser, words: list[str], meant: str) -> None:
    with pytest.raises(parsing.UsageError) as caught:
        parsing.parse(parser, words)
    assert f"Did you mean {meant}?" in caught.value.suggestions


def test_options_are_never_guessed_from_their_beginnings(parser: parsing.Parser) -> None:
    with pytest.raises(parsing.UsageError):
        parsing.parse(parser, ["--mess", "x"])


def test_an_option_without_its_value_is_refused(parser: parsing.Parser) -> None:
    with pytest.raises(parsing.UsageError, match="message"):
        parsing.parse(parser, ["x", "--message"])


@pytest.mark.parametrize(
    ("words", "name", "others"),
    [
        (["list"], "list", []),
        (["--json", "list", "-s", "any"], "list", ["--json", "-s", "any"]),
        (["--db", "list", "--as", "show", "ready", "x"], "ready", ["--db", "list", "--as", "show", "x"]),
        (["dep", "add", "a", "b"], "dep add", ["a", "b"]),
        (["--project", "p", "queues", "set", "ci"], "queues set", ["--project", "p", "ci"]),
        (["queues"], "queues", []),
        (["queues", "--json"], "queues", ["--json"]),
        (["help", "dep", "tree"], "dep tree", ["--help"]),
        (["help", "add"], "add", ["--help"]),
        (["help"], None, ["--help"]),
        (["--json", "help", "--as", "x"], None, ["--json", "--as", "x", "--help"]),
        ([], None, []),
        (["--help"], None, ["--help"]),
        (["--", "list"], None, ["--", "list"]),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(words: list[str], name: str | None, others: list[str]) -> None:
    assert parsing.split(words) == (name, others)


@pytest.mark.parametrize(("word", "meant"), [("lst", "list"), ("clam", "claim"), ("shwo", "show"), ("dome", "done")])
def test_a_mistyped_command_is_guessed(word: str, meant: str) -> None:
    with pytest.raises(parsing.UsageError) as caught:
        parsing.split([word])
    assert any(f"arbeit {meant}" in hint for hint in caught.value.suggestions)


def test_half_a_command_names_its_other_half() -> None:
    with pytest.raises(parsing.UsageError, match="add, remove, tree"):
        parsing.split(["dep"])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_fits_80_columns_and_says_its_usage(name: str) -> None:
    parser, run = parsing.build(name)
    text = parser.format_help()
    assert callable(run)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert text.startswith(f"usage: arbeit {name} [options]")
    assert COMMANDS[name].help[1:] in text.replace("\n", " ")
    assert "--json" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_long_form_and_a_help_text(name: str) -> None:
    for action in parsing.build(name)[0]._actions:
        assert action.help, f"{name}: {action.dest}"
        if action.option_strings:
            assert action.option_strings[-1].startswith("--"), f"{name}: {action.option_strings}"
            assert re.fullmatch(r"--[a-z][a-z-]+", action.option_strings[-1])


def test_the_overview_has_every_command_once_in_80_columns() -> None:
    text = parsing.overview()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    for name in {name.partition(" ")[0] for name in COMMANDS}:
        assert len(re.findall(rf"^  {name} ", text, flags=re.MULTILINE)) == 1, name
    assert all(f"{title}:" in text for title in GROUPS.values())
    assert {entry.group for entry in COMMANDS.values()} == set(GROUPS)


def test_names_are_split_at_commas() -> None:
    assert split(["a,b", " c ", ""]) == ["a", "b", "c"]
    assert split(None) is None


def test_a_parser_is_no_program_that_exits(parser: parsing.Parser) -> None:
    assert isinstance(parser, argparse.ArgumentParser)
    with pytest.raises(parsing.UsageError):
        parser.parse_args(["--wait=soon"])
