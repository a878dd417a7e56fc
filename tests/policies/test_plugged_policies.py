"""Policies that a plug-in brings, or that cannot be had here."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Task
from arbeit.policies import BUILT_IN, OTHER_SETTINGS, AtOnce, resolve

TASK = Task(id="tkt-1", title="t", created_at=0, updated_at=0)


class Never:
    """Tries nothing again."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def backoff(self, _task: Task, _entropy: int) -> int | None:
        return None


def plugged(kind: str, name: str) -> Callable[[Mapping[str, Any]], Any] | None:
    return Never if (kind, name) == ("retry", "never") else None


def test_a_name_that_is_not_built_in_is_asked_of_the_plug_ins_with_its_parameters() -> None:
    retry = resolve({"retry": {"name": "never", "how": "so"}}, None, plugged).retry
    assert isinstance(retry, Never)
    assert dict(retry.given) == {"name": "never", "how": "so"}


def test_a_plug_in_cannot_stand_before_what_is_built_in() -> None:
    asked: list[tuple[str, str]] = []

    def curious(kind: str, name: str) -> None:
        asked.append((kind, name))

    assert isinstance(resolve({"retry": "at_once"}, None, curious).retry, AtOnce)
    assert asked == []


@pytest.mark.parametrize("strict", [True, False])
def test_a_plug_in_that_does_not_know_the_name_is_as_good_as_none(strict: bool) -> None:
    with pytest.raises(ArbeitError) as caught:
        resolve({"ranking": "never"}, None, plugged, strict=strict).ranking.rank(TASK, 0)
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.data == {"field": "settings.ranking"}
    assert "'never'" in caught.value.message
    assert caught.value.suggestions == ("Built in: aged_priority, first_ready, earliest_due; plug-ins bring others.",)


def test_what_cannot_be_had_raises_when_it_is_used_and_leaves_the_rest_alone() -> None:
    policies = resolve({"retry": "never", "completion": "none"}, strict=False)
    with pytest.raises(ArbeitError, match="no retry policy 'never'"):
        policies.retry.backoff(TASK, 0)
    assert type(policies.completion).__name__ == "Trust"


def test_what_cannot_be_had_is_refused_at_once_where_it_is_set() -> None:
    with pytest.raises(ArbeitError, match="no retry policy 'never'"):
        resolve({"retry": "never"})


def test_a_setting_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(ArbeitError) as caught:
        resolve({"colour": "red"})
    assert caught.value.suggestions == (f"Settings: {', '.join([*BUILT_IN, *OTHER_SETTINGS])}.",)
    assert caught.value.data == {"field": "settings.colour"}
