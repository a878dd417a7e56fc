"""The two faces are one: what the type checkers cannot see is compared here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import arbeit
from arbeit import sync
from tests.typing import asynchronous, mistakes, synchronous

PAIRS = {"Hub": (arbeit.Hub, sync.Hub), "Project": (arbeit.Project, sync.Project), "Work": (arbeit.Work, sync.Work)}
# What only an event loop or the library itself calls.
INNER = {"work", "leave", "lost", "renewed"}
_PLAIN = {"as_", "handle", "hold", "let_go", "read_artifact", "watch"}
"""Verbs that ask no store: nobody waits for them."""


def _verbs() -> Iterator[tuple[str, str]]:
    for kind, (face, _) in PAIRS.items():
        for name in dir(face):
            if not name.startswith("_") and callable(getattr(face, name)) and name not in INNER:
                yield kind, name


@pytest.mark.parametrize(("kind", "verb"), list(_verbs()))
def test_each_verb_is_on_both_faces_with_the_same_parameters(kind: str, verb: str) -> None:
    asynchronous_face, synchronous_face = PAIRS[kind]
    mine: Any = getattr(synchronous_face, verb)
    theirs: Any = getattr(asynchronous_face, verb)
    assert inspect.signature(mine).parameters == inspect.signature(theirs).parameters
    assert inspect.iscoroutinefunction(theirs) or verb in _PLAIN
    assert mine.__name__ == verb
    assert mine.__doc__


@pytest.mark.parametrize("kind", PAIRS)
def test_the_synchronous_face_has_nothing_else(kind: str) -> None:
    asynchronous_face, synchronous_face = PAIRS[kind]
    own = {name for name in dir(synchronous_face) if not name.startswith("_")}
    instance = {"task", "lease", "run", "token", "notices", "ended", "key", "actor"}
    assert own - set(dir(asynchronous_face)) - instance == set()


def test_open_takes_the_same_arguments() -> None:
    mine, theirs = inspect.signature(sync.open).parameters, dict(inspect.signature(arbeit.open).parameters)
    theirs.pop("background")
    assert dict(mine) == theirs


def test_what_the_type_checkers_read_can_be_imported() -> None:
    assert all(module.__doc__ for module in (asynchronous, synchronous, mistakes))
