"""What all decisions share: fresh ids, what holders hear, what is made ready and in which order."""

from typing import Any, cast

import attrs
import pytest

from arbeit.core.decide.base import Env, fresh_id
from arbeit.core.view import View
from tests.core.harness import PROJECT

TABLES = {
    "tkt": "tasks",
    "lea": "leases",
    "run": "runs",
    "rel": "relationships",
    "ctx": "entries",
    "ses": "sessions",
    "fil": "files",
    "art": "artifacts",
}


@attrs.frozen
class Drawn:
    """An environment that gives these ids, one after the other."""

    ids: list[str]

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{self.ids.pop(0)}"


def drawn(*ids: str) -> Env:
    return cast("Env", Drawn(list(ids)))


@pytest.mark.parametrize("prefix", TABLES)
def test_a_fresh_id_is_one_that_nothing_known_has(prefix: str) -> None:
    view = View(PROJECT)
    table: dict[str, Any] = getattr(view, TABLES[prefix])
    # What is known to be absent leaves its id free.
    table |= {f"{prefix}-1": object(), f"{prefix}-2": object(), f"{prefix}-3": None}
    assert fresh_id(view, drawn("1", "2", "3", "4"), prefix) == f"{prefix}-3"


def test_a_fresh_id_of_a_checklist_line_is_one_that_the_batch_has_not_given_yet() -> None:
    view = View(PROJECT)
    view.new["item"]["prg-1"] = object()
    assert fresh_id(view, drawn("1", "2"), "prg") == "prg-2"
