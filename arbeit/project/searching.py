"""The verbs that search, by words and by meaning, and those that keep the index of meanings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from arbeit.core.errors import Code
from arbeit.core.limits import check_text, refuse
from arbeit.core.model import ENTRY_TYPES, STATUSES, EntryType, Status
from arbeit.ports import EmbedderLike
from arbeit.project.base import Base
from arbeit.project.reading import check, check_limit, flags, some_of
from arbeit.queries import HIT_KINDS, SEARCH_MODES, Hit, HitKind, Index, Search, SearchMode

MOST_HITS = 100
"""Hits that one search brings at most."""
LIKE: tuple[EntryType, ...] = ("decision", "attempt", "outcome")
"""The types of entries that tell of earlier tries: what a search for what is similar brings."""


class Searching(Base):
    """Search, index."""

    async def search(
        self,
        text: str | None = None,
        *,
        similar_to: str | None = None,
        mode: SearchMode | None = None,
        kinds: HitKind | Iterable[HitKind] | None = None,
        types: EntryType | Iterable[EntryType] | None = None,
        status: Status | Iterable[Status] | None = None,
        task_id: str | None = None,
        superseded: bool = False,
        limit: int = 20,
    ) -> list[Hit]:
        """Tasks and what is known of them, the best first; at most 100.

        Args:
            text: words, all of which must occur; "a phrase", begin*, this or that, -without. By meaning alone: any
                sentence.
            similar_to: in place of a text, a task: what was decided, tried and achieved in others like it.
            mode: words; meaning (what is near, best first); both, merged by reciprocal rank. None: both where the hub
                has an embedder (meaning, where the text has no word in it), else words.
            kinds: task, entry, run (what was said as a run was blocked, cancelled or taken over; by meaning alone).
                None: tasks and entries, and by meaning runs too; with `similar_to`, entries and runs.
            types: of entries. None: any; with `similar_to`, decisions, attempts and outcomes.
            status: of tasks, or of those that the entries and runs are of.
            task_id: in this task alone.
            superseded: in entries that were replaced, too.
            limit: hits at most, 1 to 100.

        Raises:
            ArbeitError: INVALID_INPUT, INVALID_TYPE, INVALID_STATUS; TASK_NOT_FOUND for `similar_to`; NOT_INITIALIZED
                for meaning where the hub has no embedder; what an embedder raises, if meaning was asked for by name.
        """
        some_of("mode", None if mode is None else (mode,), SEARCH_MODES)
        check_limit(limit, MOST_HITS)
        check(task_id=task_id, similar_to=similar_to)
        flags(superseded=superseded)
        _check_text(text, similar_to, mode)
        like = similar_to is not None
        default = ("entry", "run") if like else ("task", "entry") if mode == "words" else HIT_KINDS
        wanted = some_of("kind", kinds, HIT_KINDS)
        narrowed = some_of("type", types, ENTRY_TYPES, Code.INVALID_TYPE)
        query = Search(
            self.key,
            text or "",
            default if wanted is None else wanted,
            LIKE if narrowed is None and like else narrowed,
            some_of("status", status, STATUSES, Code.INVALID_STATUS),
            task_id,
            bool(superseded),
            limit,
            similar_to=similar_to,
            mode=mode,
        )
        return await self._session.search(query, self.actor)

    async def index(
        self, embedder: EmbedderLike | None = None, *, on_progress: Callable[[Index], object] | None = None
    ) -> Index:
        """Embed everything that is new or reworded, and forget what is gone, up to the end of the log.

        A hub with an embedder and an event loop does it by itself. Another `embedder` than the hub's builds the index
        of that model beside the first, for a hub that is opened with it later. May be stopped and begun again: what
        was embedded stays. `on_progress` hears how far it has come after each page of the log.

        Raises:
            ArbeitError: NOT_INITIALIZED without an embedder; FORBIDDEN for who does not see the whole project; what the
                embedder raises.
        """
        model = await self._session.embedder(embedder)
        while True:
            found = await self._session.index_page(self.key, model, self.actor)
            if on_progress is not None:
                on_progress(found)
            if not found.behind:
                return found

    async def indexes(self) -> tuple[Index, ...]:
        """How far the vectors of each model follow the log, by the model's name."""
        return tuple(await self._session.indexes(self.key, self.actor))

    async def drop_index(self, model: str) -> bool:
        """Forget the vectors of a model; whether there were any. For who sees the whole project."""
        check_text("model", model)
        return await self._session.drop_index(self.key, model, self.actor)


def _check_text(text: str | None, similar_to: str | None, mode: SearchMode | None) -> None:
    from arbeit.core.searching import LONGEST, parse, wordless  # noqa: PLC0415 - most programs never search

    if (text is None) == (similar_to is None):
        hint = 'search("words") or search(similar_to=task_id).'
        refuse("text", "is needed, or else similar_to: one of the two", hint)
    if text is None:
        return
    # Where nobody has said how, signs without a word are refused by a store that is asked for words, and there alone.
    if mode != "meaning" and not (mode is None and isinstance(text, str) and wordless(text)):
        parse(text)
        return
    check_text("text", text)
    if len(text) > LONGEST or not text.strip():
        refuse("text", f"must have 1 to {LONGEST} characters", "Say in a sentence what you look for.")
