"""Vectors in Postgres: nearly exact and quick by pgvector's HNSW where the extension is there, else exact.

Which of the two is asked for each search, so that an administrator may add the extension later (`arbeit admin migrate`
does it where that is allowed). What an index finds is compared again as every other store compares.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from typing import Any, TypeVar

import asyncpg

from arbeit.backends.postgres import statements
from arbeit.backends.postgres.connecting import Connection, Connections, quoted
from arbeit.backends.postgres.errors import LOST, mapped
from arbeit.backends.postgres.reading import Reader
from arbeit.backends.postgres.settings import Settings
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes
from arbeit.meaning import ALL, Key, forgotten
from arbeit.ports import Embedded
from arbeit.queries import Index, Near, Nearest
from arbeit.vectors import closest, unpack

T = TypeVar("T")
_Found = tuple[int, tuple[Any, str, str]]
log = logging.getLogger("arbeit")

MOST_INDEXED = 2_000
"""Dimensions that pgvector can index; vectors of more are looked at one by one."""
_CHUNK = 5_000
_DEPTH = 2
"""How many times what is asked for is taken from an index, before it is compared exactly."""
_FEW = 5_000
"""Vectors of a project that are sooner looked at, all of them, than sought among those of all projects."""


class Vectoring:
    """The port `Vectors` of a Postgres store."""

    settings: Settings
    _connections: Connections

    @abstractmethod
    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T: ...

    @abstractmethod
    def reading(self, project: str) -> AbstractAsyncContextManager[Reader]:
        """A reader of one project."""

    def _said(self, name: str, place: str = "") -> str:
        return _statement(name, self.settings, place)

    def indexes(self, project: str) -> list[Index]:
        """How far each model has come."""

        async def asked() -> list[Index]:
            async with self.reading(project) as reader:
                return [Index(*row) for row in await reader.connection.fetch(self._said("indexes"), project)]

        return self._call(asked())

    def digests(self, project: str, model: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The digests of those that have a vector."""

        async def asked() -> dict[Key, str]:
            async with self.reading(project) as reader:
                kinds, names = [one[0] for one in keys], [one[1] for one in keys]
                rows = await reader.connection.fetch(self._said("digests"), project, model, kinds, names)
                return {(row[0], row[1]): row[2] for row in rows}

        return self._call(asked()) if keys else {}

    # -- writing ---------------------------------------------------------------------------------------

    def put_vectors(self, project: str, index: Index, vectors: Sequence[Embedded], gone: Sequence[Key]) -> bool:
        """Store and forget in a transaction of its own, unless somebody else has written meanwhile."""
        return self._call(self._put(project, index, vectors, gone))

    async def _put(self, project: str, index: Index, vectors: Sequence[Embedded], gone: Sequence[Key]) -> bool:
        if vectors and index.dimensions <= MOST_INDEXED:
            await self._have_index(project, index)
        with mapped(self.settings):
            async with self._connections.begun(project) as connection:
                asked = [project, index.model, index.dimensions, index.position]
                if index.revision:
                    done = await connection.execute(self._said("move_index"), *asked, index.revision)
                else:
                    done = await connection.execute(self._said("begin_index"), *asked)
                if done.endswith(" 0"):
                    await connection.execute("ROLLBACK")
                    return False
                await forget(connection, self.settings, project, index.model, gone)
                if vectors:
                    await self._save(connection, project, index.model, vectors)
                await connection.execute("COMMIT")
                return True

    async def _save(self, connection: Connection, project: str, model: str, vectors: Sequence[Embedded]) -> None:
        place = await connection.fetchval(self._said("place"))
        columns = [
            [one.kind for one in vectors],
            [one.id for one in vectors],
            [one.task_id for one in vectors],
            [one.digest for one in vectors],
            [one.vector for one in vectors],
        ]
        if place is None:
            await connection.execute(self._said("save"), project, model, *columns)
        else:
            said = [_text(one.vector) for one in vectors]
            await connection.execute(self._said("save_embedded", place), project, model, *columns, said)

    async def _have_index(self, project: str, index: Index) -> None:
        """Make the model's index before its first vector comes; what cannot be made is done without."""
        if index.vectors:
            return
        try:
            async with self._connections.begun(project) as connection:
                if await connection.fetchval(self._said("place")) is not None:
                    await connection.execute(self._said("index_model"), index.model, index.dimensions)
                await connection.execute("COMMIT")
        except (asyncpg.PostgresError, ArbeitError, *LOST) as error:
            log.warning("there is no HNSW index for the vectors of %s: %s", index.model, error)

    def drop_index(self, project: str, model: str) -> bool:
        """Forget a model."""

        async def asked() -> bool:
            with mapped(self.settings):
                async with self._connections.begun(project) as connection:
                    # The index's row first: whoever writes vectors locks it first, too.
                    done = await connection.execute(self._said("drop_index"), project, model)
                    await connection.execute(self._said("drop_vectors"), project, model)
                    await connection.execute("COMMIT")
                    return not done.endswith(" 0")

        return self._call(asked())

    # -- searching -------------------------------------------------------------------------------------

    def nearest(self, query: Nearest) -> list[Near]:
        """The most similar, by the index where there is one."""
        return self._call(self._nearest(query))

    async def _nearest(self, query: Nearest) -> list[Near]:
        async with self.reading(query.within.project) as reader:
            asked = [query.within.project, query.model, _FEW + 1]
            place = await reader.connection.fetchrow(self._said("place_and_some"), *asked)
            size = len(unpack(query.vector))
            if place is None or size > MOST_INDEXED:
                return await self._seen_one_by_one(reader, query)
            found: list[_Found] = []
            if place[1] > _FEW:
                breadth = min(1000, query.within.limit * _DEPTH)
                await reader.connection.execute(_SCAN.format(breadth=breadth))
                rows = await self._nearly(reader, query, place[0], size)
                if len(rows) == query.within.limit * _DEPTH:
                    found = await _closest(query, rows)
            if not found:
                # The index is of all projects, and gives up once it has looked at so many: it may not find this one's.
                found = await _closest(query, await self._nearly(reader, query, place[0], size, by_index=False))
        return _near(found)

    async def _nearly(
        self, reader: Reader, query: Nearest, place: str, size: int, *, by_index: bool = True
    ) -> list[asyncpg.Record]:
        """More than enough rows, those that pgvector takes for the nearest."""
        sql, values = _sought(self.settings.schema, query)
        values.append(_text(query.vector))
        order = _nearest_first(query, _identifier(place), size, len(values), by_index=by_index)
        rows: list[asyncpg.Record] = await reader.connection.fetch(sql + order, *values)
        return rows

    async def _seen_one_by_one(self, reader: Reader, query: Nearest) -> list[Near]:
        sql, values = _sought(self.settings.schema, query)
        found: list[_Found] = []
        cursor = await reader.connection.cursor(sql, *values)
        while rows := await cursor.fetch(_CHUNK):
            found = _best(found + await _closest(query, rows), query.within.limit)
        return _near(found)


async def _closest(query: Nearest, rows: Sequence[asyncpg.Record]) -> list[_Found]:
    some = [((row[0], row[1], row[2]), row[3]) for row in rows]
    find = partial(closest, query.vector, some, query.within.limit, query.floor, _order)
    # In a thread: this loop may be the engine's, which has other things to do.
    return _best(await asyncio.to_thread(find), query.within.limit)


def _near(found: Sequence[_Found]) -> list[Near]:
    return [Near(*row, similarity) for similarity, row in found]


_SCAN = (
    "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), "
    "set_config('hnsw.ef_search', '{breadth}', true), set_config('enable_seqscan', 'on', true)"
)
"""So that filters do not starve a search: an index is scanned on until enough has passed them."""


def _order(row: tuple[str, str, str]) -> tuple[str, str]:
    return row[:2]


def _best(found: list[_Found], limit: int) -> list[_Found]:
    return sorted(found, key=lambda one: (-one[0], _order(one[1])))[:limit]


def _text(packed: bytes) -> str:
    """A packed vector as pgvector reads it."""
    return f"[{','.join(map(repr, unpack(packed)))}]"


def _nearest_first(query: Nearest, place: str, size: int, number: int, *, by_index: bool = True) -> str:
    """What follows the filters where there is pgvector; parameter `number` is the vector as text."""
    at = f"{place}.vector({size})"
    distance = f"(v.embedding::{at}) OPERATOR({place}.<#>) ${number}::text::{at}"
    # A literal where the partial index has one: a parameter would not be known to be the same. No index has a sum.
    return (
        f" AND v.model = {quoted(query.model)} AND {place}.vector_dims(v.embedding) = {size}"
        f" ORDER BY {distance if by_index else f'({distance}) + 0'} LIMIT {query.within.limit * _DEPTH}"
    )


def _sought(schema: str, query: Nearest) -> tuple[str, list[object]]:
    """What passes the filters, as full text has them but for the words; every value is a parameter."""
    within = query.within
    values: list[object] = [within.project, query.model]

    def value(given: object) -> str:
        values.append(given)
        return f"${len(values)}"

    found = ["v.project = $1", "v.model = $2", "t.deleted_at IS NULL"]
    if within.scope.queues is not None:
        found.append(f"t.queue = ANY ({value(sorted(within.scope.queues))}::text[])")
    if within.status is not None:
        found.append(f"t.status = ANY ({value(list(within.status))}::text[])")
    if within.task_id is not None:
        found.append(f"v.task_id = {value(within.task_id)}")
    if query.apart_from is not None:
        found.append(f"v.task_id <> {value(query.apart_from)}")
    entry = [f"SELECT FROM {schema}.entries AS e WHERE e.project = v.project AND e.id = v.id"]
    if within.types is not None:
        entry.append(f"e.type = ANY ({value(list(within.types))}::text[])")
    if not within.superseded:
        entry.append("e.superseded_by IS NULL")
    kinds = [f"v.kind = {value(kind)}" for kind in within.kinds if kind != "entry"]
    if "entry" in within.kinds:
        kinds.append(f"(v.kind = 'entry' AND EXISTS ({' AND '.join(entry)}))")
    found.append(f"({' OR '.join(kinds) or 'false'})")
    sql = (
        f"SELECT v.kind, v.id, v.task_id, v.vector FROM {schema}.vectors AS v "  # noqa: S608 - as above
        f"JOIN {schema}.tasks AS t ON t.project = v.project AND t.id = v.task_id WHERE {' AND '.join(found)}"
    )
    return sql, values


# -- beside the store's own transactions -----------------------------------------------------------------------------


@cache
def _loaded(schema: str) -> Mapping[str, str]:
    return statements.load("vectors.sql", schema)


def _statement(name: str, settings: Settings, place: str = "") -> str:
    found = _loaded(settings.schema)[name]
    return found.replace("{place}", _identifier(place)).replace("{role}", settings.role)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def forget(
    connection: Connection, settings: Settings, project: str, model: str | None, gone: Sequence[Key]
) -> None:
    """Delete vectors by key, and with `meaning.ALL` all that belong to a task; of a model, or (None) of every one."""
    whole = [name for kind, name in gone if kind == ALL]
    single = [one for one in gone if one[0] != ALL]
    if whole:
        await connection.execute(_statement("forget_of", settings), project, model, whole)
    if single:
        kinds, names = [one[0] for one in single], [one[1] for one in single]
        await connection.execute(_statement("forget", settings), project, model, kinds, names)


async def forget_erased(connection: Connection, settings: Settings, project: str, changes: Changes) -> None:
    """Delete the vectors of what these changes erase, of every model."""
    await forget(connection, settings, project, None, forgotten(changes))


async def enable(connection: Connection, settings: Settings) -> bool:
    """Let pgvector in, where the server has it and this user may; whether it is in use. For the owner of the schema.

    Vectors that were stored without it are taken along.
    """
    if await connection.fetchval(_statement("place", settings)) is not None:
        return True
    place = await connection.fetchval(_statement("extension", settings))
    if place is None and await connection.fetchval(_statement("available", settings)):
        try:
            async with connection.transaction():
                await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError, asyncpg.UniqueViolationError):
            log.info("pgvector was not allowed in: search by meaning looks at every vector")
        place = await connection.fetchval(_statement("extension", settings))
    if place is None:
        return False
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        for name in ("add_column", "make_function", "revoke", "grant"):
            await connection.execute(_statement(name, settings, place))
    while rows := await connection.fetch(_statement("without", settings)):
        said = [_text(row[1]) for row in rows]
        await connection.execute(_statement("fill", settings, place), [row[0] for row in rows], said)
    return True
