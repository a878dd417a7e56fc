"""A file whose bytes were overwritten is said to be damaged, whatever trips over them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import arbeit.sync


@pytest.mark.parametrize(
    ("column", "value"), [("title", "CAST(x'ff' AS TEXT)"), ("metadata", "'{'"), ("intent", "CAST(x'c328' AS TEXT)")]
)
def test_text_that_no_store_wrote_is_damage_and_no_defect(column: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    with arbeit.sync.open(f"sqlite:///{path}") as hub:
        project = hub.project("demo", create=True)
        project.create_task("a", intent="b", metadata={"k": 1})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE tasks SET {column} = {value}")  # noqa: S608 - written here
        connection.commit()
    with arbeit.sync.open(f"sqlite:///{path}") as hub:
        for ask in (lambda: hub.project("demo").find(), lambda: hub.project("demo").claim("impl-1")):
            with pytest.raises(arbeit.ArbeitError) as caught:
                ask()
            assert caught.value.code == "STORE_UNAVAILABLE"
            assert "damaged" in caught.value.message or "UTF-8" in caught.value.message
