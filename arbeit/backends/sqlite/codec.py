"""The statements that store entities, made from their columns."""

from __future__ import annotations

from arbeit.columns import BESIDE, CODECS, KEYS, LIVENESS


def insert_of(kind: str) -> str:
    """The statement that adds an entity: project, its fields, and what stands beside them."""
    codec = CODECS[kind]
    extra = (BESIDE[kind],) if kind in BESIDE else ()
    columns = (() if kind == "project" else ("project",)) + codec.columns + extra
    return f"INSERT INTO {codec.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of ours


def update_of(kind: str, leave_out: frozenset[str] = frozenset()) -> str:
    """The statement that stores an entity's new state, parameters in the same order as `insert_of`.

    A lease's liveness stays as it is where a parameter is NULL.
    """
    codec = CODECS[kind]
    keys = KEYS.get(kind, ("id",))
    extra = (BESIDE[kind],) if kind in BESIDE else ()
    first = 1 if kind == "project" else 2
    numbered = {name: number for number, name in enumerate((*codec.columns, *extra), start=first)}
    values = {name: f"coalesce(?{at}, {name})" if name in LIVENESS else f"?{at}" for name, at in numbered.items()}
    sets = ", ".join(f"{name} = {value}" for name, value in values.items() if name not in {*keys, *leave_out})
    where = [f"{name} = ?{numbered[name]}" for name in keys]
    if kind != "project":
        where.insert(0, "project = ?1")
    return f"UPDATE {codec.table} SET {sets} WHERE {' AND '.join(where)}"  # noqa: S608 - names of ours
