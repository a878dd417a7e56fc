"""The policies that come with Arbeit, by kind and name, and how a project's settings choose among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.later import Later, getter
from arbeit.core.model import SECOND
from arbeit.core.policy import Policies

if TYPE_CHECKING:
    from arbeit import policies as here
    from arbeit.policies.access import NamedAccess, OpenAccess, QueueAccess
    from arbeit.policies.completion import Checklist, Evidence, Trust
    from arbeit.policies.lease_length import Jittered
    from arbeit.policies.preemption import CriticalWaits, OnRequest
    from arbeit.policies.ranking import AgedPriority, EarliestDue, FirstReady
    from arbeit.policies.redaction import KeepAll, SecretPatterns
    from arbeit.policies.retry import AtOnce, ExponentialBackoff
    from arbeit.policies.weighting import QueueWeight
else:
    here = Later(__name__)
    __getattr__ = getter(
        __name__,
        {
            "access": "NamedAccess OpenAccess QueueAccess",
            "completion": "Checklist Evidence Trust",
            "lease_length": "Jittered",
            "preemption": "CriticalWaits OnRequest",
            "ranking": "AgedPriority EarliestDue FirstReady",
            "redaction": "KeepAll SecretPatterns",
            "retry": "AtOnce ExponentialBackoff",
            "weighting": "QueueWeight",
        },
    )

__all__ = [
    "AgedPriority",
    "AtOnce",
    "Checklist",
    "CriticalWaits",
    "EarliestDue",
    "Evidence",
    "ExponentialBackoff",
    "FirstReady",
    "Jittered",
    "KeepAll",
    "NamedAccess",
    "OnRequest",
    "OpenAccess",
    "QueueAccess",
    "QueueWeight",
    "SecretPatterns",
    "Trust",
    "resolve",
]

OTHER_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "incomplete_children": ("refuse", "warn"),
    "review": ("none", "required"),
}
_MOST_SECONDS = 7 * 24 * 3600


def _seconds(name: str, default: int) -> Callable[[Mapping[str, Any]], int]:
    return lambda given: _number(given, name, default, 1, _MOST_SECONDS) * SECOND


def _number(given: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _bad(f"{name} must be a whole number from {low} to {high}", name)
    return value


def _bad(problem: str, name: str, *hints: str) -> ArbeitError:
    hints = hints or ("See the reference of settings for what it takes.",)
    return ArbeitError(
        Code.INVALID_INPUT, f"settings: {problem}", suggestions=hints, data={"field": f"settings.{name}"}
    )


def _exponential(given: Mapping[str, Any]) -> ExponentialBackoff:
    return here.ExponentialBackoff(
        _seconds("base", 1)(given), _number(given, "factor", 2, 1, 100), _seconds("cap", 300)(given)
    )


def _jittered(given: Mapping[str, Any]) -> Jittered:
    longest = _seconds("max_runtime", 1)(given) if given.get("max_runtime") is not None else None
    return here.Jittered(_seconds("ttl", 60)(given), _number(given, "spread", 10, 0, 90), longest)


def _on_request(given: Mapping[str, Any]) -> OnRequest:
    return here.OnRequest(_seconds("grace", 30)(given))


def _critical_waits(given: Mapping[str, Any]) -> CriticalWaits:
    return here.CriticalWaits(_seconds("patience", 60)(given), _seconds("grace", 30)(given))


Factory = tuple[frozenset[str], Callable[[Mapping[str, Any]], Any]]


def _plain(name: str) -> Factory:
    return frozenset(), lambda _given: getattr(here, name)()


BUILT_IN: Mapping[str, Mapping[str, Factory]] = {
    "ranking": {
        "aged_priority": _plain("AgedPriority"),
        "first_ready": _plain("FirstReady"),
        "earliest_due": _plain("EarliestDue"),
    },
    "weighting": {"queue_weight": _plain("QueueWeight")},
    "retry": {
        "exponential": (frozenset({"base", "factor", "cap"}), _exponential),
        "at_once": _plain("AtOnce"),
    },
    "lease_length": {"jittered": (frozenset({"ttl", "spread", "max_runtime"}), _jittered)},
    "completion": {"evidence": _plain("Evidence"), "checklist": _plain("Checklist"), "none": _plain("Trust")},
    "preemption": {
        "on_request": (frozenset({"grace"}), _on_request),
        "critical_waits": (frozenset({"patience", "grace"}), _critical_waits),
    },
    "access": {"open": _plain("OpenAccess"), "named": _plain("NamedAccess")},
    "redaction": {"secret_patterns": _plain("SecretPatterns"), "none": _plain("KeepAll")},
}
"""By kind, the first name being the default. `settings={"retry": "at_once"}`, or with parameters
`settings={"retry": {"name": "exponential", "base": 2}}`; times in seconds."""


Plugged = Callable[[str, str], Callable[[Mapping[str, Any]], Any] | None]
"""From kind and name to what makes a plug-in's policy from its parameters, or None."""


def resolve(
    settings: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    plugged: Plugged | None = None,
    *,
    strict: bool = True,
) -> Policies:
    """The policies that a project's settings name; an override (kind to policy object) stands before all of them.

    Names that are not built in are asked of `plugged`. Unless `strict`, a policy that cannot be had (its plug-in
    is not installed here) raises when it is used, so that what does not use it still works; and one that is built in is
    made when it is first used, as a short process uses few.

    Raises:
        ArbeitError: INVALID_INPUT for a setting, policy or parameter that does not exist.
    """
    overrides = overrides or {}
    for name, value in settings.items():
        if name not in BUILT_IN:
            _check_other(name, value)
    for kind in overrides:
        if kind not in BUILT_IN:
            raise _bad(f"there is no kind of policy called {kind!r}", kind, f"Kinds: {', '.join(BUILT_IN)}.")
    if not strict:
        later = {kind for kind in BUILT_IN if kind not in overrides and _is_built_in(kind, settings.get(kind))}
        return cast("Policies", _Chosen(settings, {**_all(BUILT_IN.keys() - later, settings, plugged), **overrides}))
    return Policies(**{**_all(BUILT_IN, settings, plugged, strict=True), **overrides})


def _all(
    kinds: Iterable[str], settings: Mapping[str, Any], plugged: Plugged | None, *, strict: bool = False
) -> dict[str, Any]:
    return {kind: _one(kind, settings.get(kind), plugged, strict=strict) for kind in kinds}


def _is_built_in(kind: str, said: object) -> bool:
    name = said.get("name") if isinstance(said, Mapping) else said
    return name is None or (isinstance(name, str) and name in BUILT_IN[kind])


class _Chosen:
    """`Policies` of which those that are built in are made when they are first used."""

    def __init__(self, settings: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        self._settings = settings
        self.__dict__.update(made)

    def __getattr__(self, kind: str) -> Any:  # noqa: ANN401 - each kind has a protocol of its own
        if kind not in BUILT_IN:
            raise AttributeError(kind)
        made = self.__dict__[kind] = _one(kind, self._settings.get(kind), None, strict=False)
        return made


def _check_other(name: str, value: object) -> None:
    choices = OTHER_SETTINGS.get(name)
    if choices is None:
        known = ", ".join([*BUILT_IN, *OTHER_SETTINGS])
        raise _bad(f"there is no setting {name!r}", name, f"Settings: {known}.")
    if value not in choices:
        raise _bad(f"{name} must be one of {', '.join(choices)}", name)


class _Missing:
    """A policy that cannot be had here."""

    def __init__(self, error: ArbeitError) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> NoReturn:
        raise self._error


def _one(kind: str, said: object, plugged: Plugged | None, *, strict: bool) -> Any:  # noqa: ANN401 - each kind has a protocol of its own
    try:
        return _made(kind, said, plugged)
    except ArbeitError as error:
        if strict:
            raise
        return _Missing(error)


def _made(kind: str, said: object, plugged: Plugged | None) -> Any:  # noqa: ANN401 - as above
    named = BUILT_IN[kind]
    if said is None:
        said = next(iter(named))
    given: Mapping[str, Any] = said if isinstance(said, Mapping) else {"name": said}
    name = given.get("name")
    if not isinstance(name, str) or name not in named:
        make_plugged = plugged(kind, name) if plugged is not None and isinstance(name, str) else None
        if make_plugged is not None:
            return make_plugged(given)
        raise _bad(
            f"there is no {kind} policy {name!r} here", kind, f"Built in: {', '.join(named)}; plug-ins bring others."
        )
    allowed, make = named[name]
    unknown = sorted(set(given) - allowed - {"name"})
    if unknown:
        raise _bad(f"{kind} policy {name} takes no {', '.join(unknown)}", kind)
    return make(given)
