"""Search by meaning: what turns text into vectors, and what keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from arbeit.core.declare import frozen
from arbeit.queries import HitKind, Index, Near, Nearest


class Embedder(Protocol):
    """Turns text into vectors for search by meaning. Called from any thread, by one at a time; may block.

    It may have a `floor`, too: the least cosine similarity, 0 to 1, that says something (0 where it has none).
    """

    name: str
    """Which model this is: vectors of one name are compared with each other, those of two never."""
    dimensions: int

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text, each of `dimensions` numbers, of any length but not NaN or infinite."""


EmbedderLike = str | Embedder | Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""What `open` takes for one: a name, an object, or a function with a name (its attribute `name`, or its own)."""


@frozen
class Embedded:
    """The vector of one record: packed (see `arbeit.vectors`), and the digest of the text that it was made of."""

    kind: HitKind
    id: str
    task_id: str
    digest: str
    vector: bytes


class Vectors(Protocol):
    """An optional port beside `LocalStore`: vectors by project and model, derived from the log and never its truth.

    What a store's own transactions erase (`meaning.forgotten`), it forgets in the same transaction.
    """

    def indexes(self, project: str) -> list[Index]:
        """How far each model has come in a project, by name; `behind` is left to the caller."""

    def digests(self, project: str, model: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The digests of those of these records, by (kind, id), that have a vector."""

    def put_vectors(
        self, project: str, index: Index, vectors: Sequence[Embedded], gone: Sequence[tuple[str, str]]
    ) -> bool:
        """Store vectors, forget those of `gone`, move the index to `index.position`: all of it, or nothing and False.

        False where the stored revision is not `index.revision` (0: there is none yet): somebody else has written
        meanwhile, and what was embedded may be out of date. The revision grows by one.
        """

    def nearest(self, query: Nearest) -> list[Near]:
        """The most similar records that pass the filters as full text would have it, most similar first.

        Ties by kind and id. Exact, or (a store with an index of its own) nearly so.
        """

    def drop_index(self, project: str, model: str) -> bool:
        """Forget everything of a model in a project; whether there was anything."""
