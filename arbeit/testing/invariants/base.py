"""What every invariant shares: how it is fed, how it complains, and how a whole run is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from attrs import field, frozen

from arbeit.core.events import Fact
from arbeit.core.model import SECOND, Event
from arbeit.testing.history import (
    Answered,
    Committed,
    Entry,
    Followed,
    Happened,
    History,
    Looked,
    Sent,
    Stored,
)
from arbeit.testing.invariants.books import Book
from arbeit.wire import fact_of


@frozen
class Terms:
    """What a run promised, beside what every run promises.

    Attributes:
        lease_key: the deployment's key of lease tokens, from which each lease's token is derived; without it a token
            is only held against its own earlier uses.
        grace: microseconds after its deadline by which a silent holder's lease must be ended in the calm phase.
        may_stay: the reasons for which a task may still be blocked at the end; None allows any that was stated.
    """

    lease_key: bytes | None = field(default=None, repr=False)
    grace: int = 10 * SECOND
    may_stay: frozenset[str] | None = None


@frozen
class Violation:
    """A promise that was broken: which, at which entry (its index in the history), when, and how.

    `at` is the observer's time in microseconds since 1970. What can only be said at the end stands at the last entry.
    """

    checker: str
    entry: int
    at: int
    problem: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.checker} at entry {self.entry}: {self.problem}"


class Checker:
    """One invariant, checked online. Subclasses override the hooks of the entries that they judge, and `say` problems.

    Attributes:
        name: what it is called on the command line and in the docs.
        promise: what it checks, in one sentence.
        judged: how often there was something to judge; a run in which it stays at 0 has proved nothing.
        index: how many entries it has been shown.
        takes: the kinds of entries that it need be shown.
        phase: the phase that the run is in; "" before the first.
    """

    name: ClassVar[str]
    promise: ClassVar[str]

    def __init__(self, terms: Terms | None = None) -> None:
        self.terms = terms if terms is not None else Terms()
        self.judged = 0
        self.index = 0
        self.phase = ""
        self._problems: list[str] = []
        self._hooks: dict[type, Callable[[Any], None]] = {
            kind: getattr(self, hook)
            for kind, hook in _HOOKS.items()
            if getattr(type(self), hook) is not getattr(Checker, hook)
        }
        # Phases are for everybody; whoever sees for itself is shown everything.
        sees = type(self).see is not Checker.see
        self.takes: frozenset[type] = frozenset(_HOOKS) if sees else frozenset({Happened, *self._hooks})

    def see(self, entry: Entry) -> Iterable[str]:
        """Take in the next entry; what is wrong with it, one sentence each."""
        self.index += 1
        if type(entry) is Happened and entry.kind == "phase":
            self.phase = entry.what
        hook = self._hooks.get(type(entry))
        if hook is not None:
            hook(entry)
        return self.heard() if self._problems else ()

    def end(self) -> Iterable[str]:
        """Say what can only be said once the run is over."""
        self.ended()
        return self.heard()

    def say(self, problem: str) -> None:
        """Complain, in one sentence with ids, positions and times."""
        self._problems.append(problem)

    def heard(self) -> list[str]:
        """The complaints since this was last asked."""
        problems, self._problems = self._problems, []
        return problems

    # -- hooks -----------------------------------------------------------------------------------------

    def sent(self, entry: Sent) -> None:
        """A command was sent."""

    def answered(self, entry: Answered) -> None:
        """A caller heard an outcome."""

    def committed(self, entry: Committed) -> None:
        """A transaction became durable."""

    def followed(self, entry: Followed) -> None:
        """A follower heard an event."""

    def looked(self, entry: Looked) -> None:
        """A reader was shown something."""

    def stored(self, entry: Stored) -> None:
        """A project's rows and log were read."""

    def happened(self, entry: Happened) -> None:
        """The world did something."""

    def ended(self) -> None:
        """The run is over."""


_HOOKS: dict[type, str] = {
    Sent: "sent",
    Answered: "answered",
    Committed: "committed",
    Followed: "followed",
    Looked: "looked",
    Stored: "stored",
    Happened: "happened",
}


class Bookkeeper(Checker):
    """An invariant over facts: judges each fact before and after a naive book of its project has it.

    In a watch all of them look at the same books, and change nothing in them: a fact is entered once, not once for
    each.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self.ledger = Ledger([self])

    @property
    def books(self) -> dict[str, Book]:
        """The book of each project of which there was a commit."""
        return self.ledger.books

    def book(self, project: str) -> Book:
        """The book of a project, empty at first."""
        return self.ledger.book(project)

    def share(self, ledger: Ledger) -> None:
        """Leave it to somebody else to enter transactions."""
        self.ledger = ledger
        del self._hooks[Committed]

    def committed(self, entry: Committed) -> None:
        """Judge each fact, and then what the transaction left behind."""
        for error in self.ledger.enter(entry).values():
            raise error

    def before(self, book: Book, entry: Committed) -> None:
        """A transaction is about to be entered."""

    def fact(self, book: Book, event: Event, fact: Fact) -> None:
        """A fact is about to be entered."""

    def after(self, book: Book, event: Event, fact: Fact) -> None:
        """A fact was entered."""

    def left(self, book: Book, entry: Committed) -> None:
        """A whole transaction was entered: its rows can be compared with the book."""


class Ledger:
    """The books of all projects, and who judges what is entered in them."""

    def __init__(self, keepers: Iterable[Bookkeeper]) -> None:
        self.books: dict[str, Book] = {}
        self.keepers = list(keepers)
        self._choose()

    def _choose(self) -> None:
        """Whom to ask, by hook: those who have a hook of their own."""
        self._asked = {
            hook: [
                (keeper, getattr(keeper, hook))
                for keeper in self.keepers
                if getattr(type(keeper), hook) is not getattr(Bookkeeper, hook)
            ]
            for hook in ("before", "fact", "after", "left")
        }

    def book(self, project: str) -> Book:
        """The book of a project, empty at first."""
        known = self.books.get(project)
        if known is None:
            known = self.books[project] = Book(project)
        return known

    def drop(self, keeper: Checker) -> None:
        """Ask somebody no more."""
        self.keepers = [one for one in self.keepers if one is not keeper]
        self._choose()

    def enter(self, entry: Committed) -> dict[Checker, Exception]:
        """Enter a transaction, fact by fact; what it left behind that cannot be followed, by who tripped over it."""
        book, tripped = self.book(entry.project), dict[Checker, Exception]()
        self._ask("before", tripped, book, entry)
        try:
            for event, fact in facts_in(entry):
                self._ask("fact", tripped, book, event, fact)
                book.apply(event, fact)
                self._ask("after", tripped, book, event, fact)
            book.renew(entry.changes.beats)
        except Exception as error:  # noqa: BLE001 - a history that cannot be followed is a finding, not a crash
            return {**dict.fromkeys(self.keepers, error), **tripped}
        self._ask("left", tripped, book, entry)
        return tripped

    def _ask(self, hook: str, tripped: dict[Checker, Exception], *what: object) -> None:
        for keeper, judge in self._asked[hook]:
            try:
                judge(*what)
            except Exception as error:  # noqa: BLE001 - as above
                tripped[keeper] = error
                self.drop(keeper)


@lru_cache(maxsize=8)
def facts_in(entry: Committed) -> tuple[tuple[Event, Fact], ...]:
    """The events of a transaction with what they say, those that can be read; read once for all checkers."""
    found = ((event, readable(event)) for event in entry.changes.events)
    return tuple((event, fact) for event, fact in found if fact is not None)


def rows_of(entry: Committed, kind: str) -> list[Any]:
    """The rows of a kind that a transaction wrote."""
    return [*entry.changes.new.get(kind, ()), *entry.changes.changed.get(kind, ())]


def readable(event: Event) -> Fact | None:
    """What an event says, or None if that cannot be made out."""
    try:
        return fact_of(event)
    except Exception:  # noqa: BLE001 - whatever is wrong with a record is a finding, not a crash
        return None


class Watch:
    """Subscribes to a history and runs checkers on it as it grows, beginning with what it holds already.

    A checker is fed no more after `most` complaints: what follows from a broken promise is mostly noise. One that
    trips over an entry has found something as well, and says so.
    """

    def __init__(
        self,
        history: History,
        checkers: Sequence[type[Checker]] = (),
        *,
        terms: Terms | None = None,
        most: int = 5,
    ) -> None:
        self.violations: list[Violation] = []
        self._most = most
        self.checkers = tuple(kind(terms) for kind in checkers)
        self._left = dict.fromkeys(self.checkers, most)
        """How often each that is still fed may complain."""
        self._fed: dict[type[Entry], list[Checker]] = {}
        """By kind of entry: those still fed that take it."""
        keepers = (one for one in self.checkers if isinstance(one, Bookkeeper))
        self._ledger = Ledger(one for one in keepers if type(one).committed is Bookkeeper.committed)
        for keeper in self._ledger.keepers:
            keeper.share(self._ledger)
        self._index = -1
        self._at = 0
        self._history = history
        for entry in history.entries:
            self.see(entry)
        history.subscribers.append(self.see)

    @property
    def judged(self) -> dict[str, int]:
        """How often each checker had something to judge, by its name."""
        return {checker.name: checker.judged for checker in self.checkers}

    def see(self, entry: Entry) -> None:
        """Show the next entry to every checker."""
        self._index += 1
        self._at = entry.at
        kind = type(entry)
        fed = self._fed.get(kind)
        if fed is None:
            fed = self._fed[kind] = [checker for checker in self._left if kind in checker.takes]
        said: dict[Checker, Iterable[str]] = {}
        tripped: dict[Checker, Exception] = {}
        for checker in fed:
            try:
                problems = checker.see(entry)
            except Exception as error:  # noqa: BLE001 - a history that cannot be followed is a finding, not a crash
                tripped[checker] = error
            else:
                if problems:
                    said[checker] = problems
        if isinstance(entry, Committed):
            self._enter(entry, said, tripped)
        if said or tripped:
            for checker in fed:
                self._note(checker, said.get(checker, ()))
                if checker in tripped:
                    self._trip(checker, tripped[checker])

    def _enter(self, entry: Committed, said: dict[Checker, Iterable[str]], tripped: dict[Checker, Exception]) -> None:
        for checker in tripped:
            self._ledger.drop(checker)
        keepers = self._ledger.keepers
        tripped |= self._ledger.enter(entry)
        for keeper in keepers:
            problems = keeper.heard()
            if problems:
                said[keeper] = [*said.get(keeper, ()), *problems]

    def end(self) -> list[Violation]:
        """Let every checker say what can only be said once the run is over, and follow no more; all violations."""
        if self.see in self._history.subscribers:
            self._history.subscribers.remove(self.see)
        for checker in list(self._left):
            try:
                problems = checker.end()
            except Exception as error:  # noqa: BLE001 - as above
                self._trip(checker, error)
            else:
                self._note(checker, problems)
        self._left.clear()
        return self.violations

    def _trip(self, checker: Checker, error: Exception) -> None:
        tripped = f"this cannot follow from what came before ({type(error).__name__}: {error})"
        self._note(checker, [*checker.heard(), tripped])
        self._drop(checker)

    def _note(self, checker: Checker, problems: Iterable[str]) -> None:
        for problem in problems:
            if checker not in self._left:
                return
            self.violations.append(Violation(checker.name, max(self._index, 0), self._at, problem))
            self._left[checker] -= 1
            if self._left[checker] <= 0:
                self._drop(checker)

    def _drop(self, checker: Checker) -> None:
        """Feed a checker no more."""
        if self._left.pop(checker, None) is not None:
            self._fed.clear()
            self._ledger.drop(checker)
