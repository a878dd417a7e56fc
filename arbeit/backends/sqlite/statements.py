"""The named statements of the .sql files beside this one, with entities' columns filled in."""

# ruff: noqa: PTH118, PTH120, PTH123 - pathlib would take a twentieth of a command-line call

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping

from arbeit.backends.sqlite.codec import insert_of, update_of
from arbeit.columns import CODECS, WORDS
from arbeit.core.view import KINDS

_HERE = os.path.dirname(__file__)
_COLUMNS = {kind: ", ".join(codec.columns) for kind, codec in CODECS.items()}


def _sections(file: str, word: str) -> dict[str, str]:
    with open(os.path.join(_HERE, file), encoding="utf-8") as opened:
        text = opened.read().removesuffix("\n")
    parts = f"\n{text}".split(f"\n-- {word}: ")[1:]
    return {name: f"{sql}\n" for name, _, sql in (part.partition("\n") for part in parts)}


def _fill(sql: str) -> str:
    if "{" in sql:
        for kind, columns in _COLUMNS.items():
            sql = sql.replace("{" + kind + "}", columns)
    return sql.strip()


def load() -> Mapping[str, str]:
    """Every statement by name, with `insert_KIND` and `update_KIND` for each kind of entity."""
    found = _sections("queries.sql", "name") | _sections("vectors.sql", "name")
    statements = {name: _fill(sql) for name, sql in found.items()}
    for kind in KINDS:
        statements[f"insert_{kind}"], statements[f"update_{kind}"] = insert_of(kind), update_of(kind)
    # Without the words of a task, no trigger of the full-text index is asked: half of what an update costs.
    statements["update_task_state"] = update_of("task", WORDS)
    return statements


def migrations() -> list[str]:
    """The migrations, in order; number n brings the schema from version n - 1 to n."""
    found = _sections("migrations.sql", "migration")
    return [found[str(number)] for number in range(1, len(found) + 1)]


def search(name: str) -> list[str]:
    """The statements of a step in the life of the full-text index: make, fill, or optimize."""
    return split(_sections("search.sql", "search")[name])


def split(script: str) -> list[str]:
    """The statements of a script; executescript would commit in between."""
    found: list[str] = []
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found
