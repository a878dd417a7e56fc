"""What mutation testing says of itself: success only where everything was judged, and every survivor explained."""

from collections import Counter

import pytest

from tests.mutation.standing import Standing, Survivor, conclusion, table

SURVIVOR = Survivor("m.x_f__mutmut_1", "m.x_f", "- a + b", "-a\n+b")


def standing(
    *, killed: int = 3, timeout: int = 0, explained: int = 0, unexplained: int = 0, waiting: int = 0
) -> Standing:
    survived = explained + unexplained
    verdicts = Counter({"killed": killed, "timeout": timeout, "survived": survived, "not checked": waiting})
    return Standing("arbeit/m.py", verdicts, explained, (SURVIVOR,) * unexplained, 1.6)


def test_a_place_without_mutants_is_no_success() -> None:
    text, code = conclusion([])
    assert code == 2
    assert "survivors" not in text


@pytest.mark.parametrize(
    ("found", "said", "code"),
    [
        ([standing()], "0 survivors that survivors.toml does not explain", 0),
        ([standing(explained=2)], "0 survivors that survivors.toml does not explain", 0),
        ([standing(unexplained=1), standing()], "1 survivors that survivors.toml does not explain", 1),
        (
            [standing(), standing(waiting=5)],
            "0 survivors that survivors.toml does not explain; 5 mutants are not judged yet",
            2,
        ),
        (
            [standing(unexplained=1, waiting=5)],
            "1 survivors that survivors.toml does not explain; 5 mutants are not judged yet",
            1,
        ),
    ],
)
def test_mutants_that_are_not_judged_are_said_and_fail_the_command(found: list[Standing], said: str, code: int) -> None:
    assert conclusion(found) == (said, code)


def test_the_table_has_a_line_for_each_module_and_their_sum() -> None:
    found = [standing(timeout=1, explained=2, unexplained=1, waiting=4), standing()]
    heads, first, second, everything = (line.split() for line in table(found))
    assert heads[:3] == ["module", "mutants", "caught"]
    assert first == ["arbeit/m.py", "11", "4", "2", "1", "4", "2"]
    assert second == ["arbeit/m.py", "3", "3", "0", "0", "0", "2"]
    assert everything == ["all", "14", "7", "2", "1", "4", "3"]
    assert [line.split() for line in table([])][1:] == [["all", "0", "0", "0", "0", "0", "0"]]
