"""What people see: colours, widths, tables, moments."""

from __future__ import annotations

import io
import re
import time
from argparse import ArgumentTypeError
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from adapters.cli.tests.conftest import Add, Say
from arbeit_cli.hints import spoken
from arbeit_cli.screen import Screen, clean, coloured
from arbeit_cli.tables import Column, cut, pad, table, width, wrap
from arbeit_cli.times import ago, moment, past, seconds, spell


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "refused", "terminal", "expected"),
    [
        ({}, False, True, True),
        ({}, False, False, False),
        ({}, True, True, False),
        ({"NO_COLOR": "1"}, False, True, False),
        ({"NO_COLOR": ""}, False, True, True),
        ({"FORCE_COLOR": "1"}, False, False, True),
        ({"FORCE_COLOR": "0"}, False, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, True, False),
        ({"FORCE_COLOR": "1"}, True, True, False),
        ({"TERM": "dumb"}, False, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True, True),
    ],
)
def test_colours_are_where_they_are_wanted(
    environment: Mapping[str, str], refused: bool, terminal: bool, expected: bool
) -> None:
    assert coloured(Terminal() if terminal else io.StringIO(), environment, refused=refused) is expected


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("a\nb\tc\r\nd", "a b c d"),
        ("bell\x07 del\x7f csi\x9b", "bell\ufffd del\ufffd csi\ufffd"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("設計 é 🧹", "設計 é 🧹"),
        ("no\xa0break", "no\xa0break"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
    ],
)
def test_text_of_others_cannot_touch_the_terminal(said: str, shown: str) -> None:
    assert clean(said) == shown


def test_lines_are_kept_where_there_is_room_for_them() -> None:
    assert clean("a\r\nb\tc\x1b", lines=True) == "a\nb\tc\ufffd"


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("設計", 4), ("é", 1), ("e\u0301", 1), ("🧹", 2), ("", 0), ("\u200d", 0)]
)
def test_widths_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(pad(text, 9)) == 9
    assert pad(text, 9, right=True).endswith(text)


def test_what_is_cut_ends_in_an_ellipsis_and_fits() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
    assert cut("設計を見直す", 6) == "設計…"
    assert width(cut("設計を見直す", 6)) <= 6


def screen(columns: int | None) -> Screen:
    made = Screen()
    made.width, made.terminal = columns, columns is not None
    return made


COLUMNS = (Column("ID"), Column("N", right=True), Column("TITLE", gives=True), Column("WHO"))


def test_a_table_fits_the_terminal_and_is_aligned() -> None:
    rows = [("t-1", "7", "a title that is far too long for so narrow a terminal", ""), ("t-22", "12", "短い", "")]
    lines = table(screen(40), COLUMNS, rows)
    assert max(map(width, lines)) <= 40
    assert lines[0].split() == ["ID", "N", "TITLE"], "a column without a word is left out"
    assert lines[1].startswith("t-1    7  a title")
    assert lines[2].startswith("t-22  12  短い")


def test_a_table_in_a_pipe_is_whole_and_has_a_row_a_line() -> None:
    long = "word " * 100
    lines = table(screen(None), COLUMNS, [("t-1", "7", f"{long}\nsecond\tline", ""), ("t-2", "", "", "ann")])
    assert [line.count("\t") for line in lines] == [3, 3, 3]
    assert lines[0] == "ID\tN\tTITLE\tWHO"
    assert long.strip() in lines[1]
    assert lines[2] == "t-2\t\t\tann"


def test_long_text_is_folded_at_words_and_in_a_pipe_not_at_all() -> None:
    text = "several words " * 12 + "x" * 150
    lines = wrap(screen(60), text, indent="  ")
    assert max(map(len, lines)) <= 60
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrap(screen(None), text, indent="  ") == [f"  {text}"]


def test_pages_have_no_escape_sequences_where_colours_are_refused(
    add: Add, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("\x1b]0;evil\x07 title", "-p", "critical", "-d", "\x1b[2J")
    assert "\x1b" not in say("list").out
    assert "\x1b" not in say("show", say("list", "--json").data["tasks"][0]["id"]).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured_list = say("list").out
    assert "\x1b[31;1mcritical\x1b[0m" in coloured_list or "\x1b[1;31mcritical\x1b[0m" in coloured_list
    assert "]0;evil" in re.sub(r"\x1b\[[0-9;]*m", "", coloured_list)
    assert not re.search(r"\x1b[^\[]", coloured_list)
    assert "\x1b" not in say("list", "--no-color").out
    assert "\x1b" not in say("list", "--json").out


# -- moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5h", 5400),
        ("15m", 900),
        ("15 min", 900),
        ("2H", 7200),
        ("1h30m", 5400),
        ("1w", 604800),
    ],
)
def test_lengths_of_time(said: str, expected: float) -> None:
    assert seconds(said) == expected


@pytest.mark.parametrize("said", ["", " ", "soon", "1y", "h", "-5", "1h-", "nan", "1e9s"])
def test_what_is_no_length_of_time(said: str) -> None:
    with pytest.raises(ArgumentTypeError):
        seconds(said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-01-19T13:38:24Z", datetime(2026, 1, 19, 13, 38, 24, tzinfo=UTC)),
        ("2026-01-19T14:38:24+01:00", datetime(2026, 1, 19, 13, 38, 24, tzinfo=UTC)),
        ("2026-01-19", datetime(2026, 1, 19, tzinfo=UTC)),
    ],
)
def test_moments(said: str, expected: datetime) -> None:
    assert moment(said) == expected


@pytest.mark.parametrize(("said", "hours"), [("+2h", 2), ("2h ago", -2), ("-2h", -2), ("now", 0)])
def test_moments_from_now(said: str, hours: int) -> None:
    distance = moment(said) - datetime.now(UTC) - timedelta(hours=hours)
    assert abs(distance.total_seconds()) < 60


def test_a_length_alone_is_so_long_ago_where_the_past_is_meant() -> None:
    assert abs((past("2h") - moment("2h ago")).total_seconds()) < 60
    assert past("2026-01-19") == moment("2026-01-19")


@pytest.mark.parametrize("said", ["soon", "+999999999999w", "2026-13-01", "2h"])
def test_what_is_no_moment(said: str) -> None:
    with pytest.raises(ArgumentTypeError):
        moment(said)


@pytest.mark.parametrize(
    ("before", "shown"),
    [(0.5, "now"), (5, "5 s ago"), (180, "3 min ago"), (7200, "2 h ago"), (86400 * 3, "3 d ago"), (-120, "in 2 min")],
)
def test_moments_as_people_say_them(before: float, shown: str) -> None:
    now = time.time()
    assert ago(datetime.fromtimestamp(now - before, UTC).isoformat(), now) == shown


def test_a_moment_long_ago_is_a_date() -> None:
    assert ago("2020-02-03T04:05:06Z") == "2020-02-03"
    assert ago(None) == ""


def test_lengths_as_people_say_them() -> None:
    assert [spell(length) for length in (0, 0.002, 59, 61, 3600, 86400, 400 * 86400)] == [
        "0 s", "2 ms", "59 s", "1 min", "1 h", "1 d", "400 d",
    ]  # fmt: skip


def test_next_steps_are_said_in_commands() -> None:
    hints = (
        'Claim it first: arbeit_task_claim with {"task_id": "t-1"}.',
        "Create it first: hub.project(key, create=True).",
        "Agents are listed by project.agents().",
        "Go on with the lease token that your claim returned.",
        "Leave it out.",
    )
    assert spoken(hints) == [
        "Claim it first: arbeit claim t-1.",
        "Create it first: arbeit init.",
        "Agents are listed by arbeit agents.",
        "Go on, if it is yours (arbeit held); if another session claimed it under your name, take a name of your own.",
        "Leave it out.",
    ]
