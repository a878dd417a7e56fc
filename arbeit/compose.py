"""From a URL to a store: what `open` wires together."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from arbeit import policies
from arbeit.clock import SystemClock
from arbeit.core.declare import evolve, field, frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.later import Later
from arbeit.core.limits import check_text, refuse
from arbeit.plugins import Plugins, members
from arbeit.ports import BlobStore, Clock, Limits, LocalStore, SecretProvider, Signals

if TYPE_CHECKING:
    import hashlib
    import urllib.parse as urls

    from arbeit import blobs, embedders, secret_providers
    from arbeit.backends.postgres.settings import Settings
    from arbeit.embedders import Model
else:
    blobs, secret_providers, urls = Later("arbeit.blobs"), Later("arbeit.secret_providers"), Later("urllib.parse")
    embedders, hashlib = Later("arbeit.embedders"), Later("hashlib")


def _chance() -> float:
    return int.from_bytes(os.urandom(6), "big") / (1 << 48)


def _memory() -> BlobStore:
    return blobs.MemoryBlobs()


class _WhenUsed:
    """An object that is made when something of it is first used; closing it does not make it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the object has
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)

    def close(self) -> None:
        """Close what was made."""
        if self._made is not None:
            self._made.close()


@frozen
class Wiring:
    """A store and what it runs with. `lease_key` is the secret under which lease tokens are derived.

    `chance` gives numbers in [0, 1) that spread load; ids and keys come from the clock's entropy.
    """

    store: LocalStore
    clock: Clock
    lease_key: bytes = field(repr=False)
    policies: Mapping[str, Any]
    plugins: Plugins = field(factory=Plugins)
    blobs: BlobStore = field(factory=_memory)
    secrets: Mapping[str, SecretProvider] = field(factory=dict)
    chance: Callable[[], float] = _chance
    signals: Signals | None = None
    limits: Limits | None = None
    model: Model | None = None
    """What makes vectors for search by meaning."""


def wire_up(
    url: str,
    *,
    clock: Clock | None = None,
    key: str | bytes | None = None,
    overrides: Mapping[str, Any] | None = None,
    plugins: Iterable[object] = (),
    secrets: Mapping[str, SecretProvider] | None = None,
    embedder: object = None,
) -> Wiring:
    """Open the store that a URL names; `embedder` is what `embedders.resolve` takes.

    Raises:
        ArbeitError: INVALID_INPUT for a URL nobody knows or another argument that is none, and whatever opening the
            store raises.
    """
    check_text("url", url)
    overrides = _overrides(overrides or {})
    plugged = Plugins(plugins)
    # Before a store is opened that nobody would close.
    model = embedders.resolve(embedder, plugged.embedder) if embedder is not None else None
    wiring = _wire(url, clock or SystemClock(), key, overrides=overrides, plugged=plugged, secrets=secrets)
    return evolve(wiring, model=model) if model is not None else wiring


def _wire(
    url: str,
    clock: Clock,
    key: str | bytes | None,
    *,
    overrides: Mapping[str, Any],
    plugged: Plugins,
    secrets: Mapping[str, SecretProvider] | None,
) -> Wiring:
    providers = _providers(secrets or {})
    secret = _secret(key)
    scheme, host, place, query = _split(url)
    options = dict(urls.parse_qsl(query, keep_blank_values=True)) if query else {}
    if scheme == "memory":
        _refuse_unknown(url, options)
        from arbeit.backends.memory import MemoryStore

        lease_key = secret or clock.entropy(32)
        return Wiring(MemoryStore(clock), clock, lease_key, overrides, plugged, _memory(), providers)
    if scheme == "sqlite":
        synchronous = options.pop("synchronous", "FULL").upper()
        artifacts = options.pop("artifacts", "")
        _refuse_unknown(url, options)
        from arbeit.backends.sqlite import SQLiteStore

        path = _path(url, host, place)
        store = SQLiteStore(path, clock, synchronous=synchronous)
        kept = _WhenUsed(lambda: blobs.FileBlobs(artifacts or f"{path}.artifacts"))
        lease_key = secret or store.lease_key()
        return Wiring(store, clock, lease_key, overrides, plugged, cast("BlobStore", kept), providers)
    if scheme in {"postgresql", "postgres"}:
        return _postgres(url, options, Wired(clock, secret, overrides, plugged, providers))
    make = plugged.backend(scheme) if scheme else None
    if make is not None:
        wiring = _foreign(make(url, clock), clock, secret, overrides, plugged)
        return evolve(wiring, secrets=providers)
    raise ArbeitError(
        Code.INVALID_INPUT,
        f"no backend answers to {scheme + '://' if scheme else repr(url)}",
        suggestions=(
            "Use memory://, sqlite:///path/to/file.db or postgresql://host/database.",
            "Or install the plug-in that has it.",
        ),
        data={"field": "url"},
    )


@frozen
class Wired:
    """What a wiring has whatever its store."""

    clock: Clock
    secret: bytes | None = field(repr=False)
    overrides: Mapping[str, Any]
    plugged: Plugins
    providers: Mapping[str, SecretProvider]


_BESIDE = ("artifacts", "redis", "rate", "burst", "deployment", "listen")
"""Options of a postgresql:// URL that are not the store's own."""


def postgres_settings(url: str) -> Settings:
    """What a postgresql:// URL says of the store itself, without what it says of others.

    Raises:
        ArbeitError: INVALID_INPUT for what it cannot say, and where the driver is not installed.
    """
    try:
        from arbeit.backends.postgres.settings import parse
    except ModuleNotFoundError as error:
        raise _not_installed("postgresql://", "postgres", error) from error
    if importlib.util.find_spec("sqlalchemy") is None:
        # Missed now, and not by the first search.
        raise _not_installed("postgresql://", "postgres", ModuleNotFoundError(name="sqlalchemy"))
    return parse(_without(url, set(_BESIDE)))


def _postgres(url: str, options: Mapping[str, str], wired: Wired) -> Wiring:
    """A store in Postgres, with Redis beside it where one is named.

    Artifacts lie in a folder that all processes share, where one is named.
    """
    settings = postgres_settings(url)
    from arbeit.backends.postgres import PostgresStore

    beside = {name: options[name] for name in _BESIDE if name in options}
    clock, artifacts = wired.clock, beside.get("artifacts", "")
    chance = _chance
    store = PostgresStore(settings, clock)
    try:
        signals, limits = _signals(beside, _deployment(settings.schema, store.lease_key()), clock, chance)
    except ArbeitError:
        store.close()
        raise
    if signals is None and beside.get("listen") != "off":
        from arbeit.backends.postgres.notify import PostgresSignals

        signals = PostgresSignals(beside.get("listen") or settings.dsn, settings.schema, chance)
    kept: Any = _WhenUsed(lambda: blobs.FileBlobs(artifacts)) if artifacts else blobs.NoBlobs()
    key = wired.secret or store.lease_key()
    wiring = Wiring(store, clock, key, wired.overrides, wired.plugged, kept, wired.providers, chance)
    if signals is None:
        return wiring
    from arbeit.announcing import Announcer

    # A caller that keeps its event loop busy must not look to itself as if the server were away.
    announcer = Announcer(signals, limits)
    return evolve(wiring, signals=announcer, limits=announcer if limits is not None else None)


def _deployment(schema: str, lease_key: bytes) -> str:
    """A name that no other database has, however its processes reach it: two may share a Redis."""
    return f"{schema}_{hashlib.sha256(b'deployment' + lease_key).hexdigest()[:12]}"


def _signals(
    beside: Mapping[str, str], deployment: str, clock: Clock, chance: Callable[[], float]
) -> tuple[Signals | None, Limits | None]:
    """What Redis carries, where one is named: wake-ups, and limits if a rate is given."""
    if "redis" not in beside:
        alone = sorted({"rate", "burst", "deployment"} & set(beside))
        if alone:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"{', '.join(alone)} of a postgresql:// URL needs a Redis",
                suggestions=("Add redis=redis://host:6379/0.",),
                data={"field": "url"},
            )
        return None, None
    try:
        from arbeit.backends.redis import Link, RedisLimits, RedisSignals, parse_rate
    except ModuleNotFoundError as error:
        raise _not_installed("redis=", "redis", error) from error
    link = Link(beside["redis"], beside.get("deployment", deployment))
    limits = None
    if "rate" in beside:
        limits = RedisLimits(link, parse_rate(beside["rate"], beside.get("burst")), clock)
    return RedisSignals(link, chance, [limits.serve] if limits is not None else []), limits


def _without(url: str, names: set[str]) -> str:
    """A URL without some of its options."""
    parts = urls.urlsplit(url)
    kept = [(name, value) for name, value in urls.parse_qsl(parts.query, keep_blank_values=True) if name not in names]
    return urls.urlunsplit(parts._replace(query=urls.urlencode(kept)))


def _not_installed(what: str, extra: str, error: ModuleNotFoundError) -> ArbeitError:
    return ArbeitError(
        Code.INVALID_INPUT,
        f"{what} needs the package {error.name}, which is not installed",
        suggestions=(f"pip install 'arbeit[{extra}]'",),
        data={"field": "url"},
    )


def _split(url: str) -> tuple[str, str, str, str]:
    """Scheme, host, path and query."""
    scheme, plain, path = url.partition(":///")
    if plain and scheme.islower() and scheme.isalpha() and path.isprintable() and not {*path} & {*"?#"}:
        # Nothing in it that urlsplit would see differently, and a command-line call does without it.
        return scheme, "", f"/{path}", ""
    try:
        parts = urls.urlsplit(url)
    except ValueError as error:
        if "@" in url:
            # Nothing of it is repeated: what cannot be read may be half of a password.
            hint = "Write [ as %5B, ] as %5D, / as %2F, # as %23, @ as %40 in user and password."
            raise ArbeitError(
                Code.INVALID_INPUT, "this is no URL", suggestions=(hint,), data={"field": "url"}
            ) from None
        hint = "Use memory:// or sqlite:///path/to/file.db."
        raise ArbeitError(
            Code.INVALID_INPUT, f"{url!r} is no URL: {error}", suggestions=(hint,), data={"field": "url"}
        ) from error
    return parts.scheme, parts.netloc, parts.path, parts.query


def _overrides(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        refuse("policies", f"must be policy objects by kind, not {type(given).__name__}")
    if given:
        policies.resolve({}, given)
    for kind, policy in given.items():
        missing = [name for name in members(kind) if not hasattr(policy, name)]
        if missing:
            hint = "Its protocol in arbeit/core/policy.py says what a policy has."
            refuse("policies", f"have a {kind} policy that lacks {', '.join(missing)}", hint)
    return dict(given)


def _foreign(
    store: LocalStore, clock: Clock, secret: bytes | None, overrides: Mapping[str, Any], plugged: Plugins
) -> Wiring:
    """A plug-in's store, wired. One that outlives this process keeps a key for lease tokens, or is given one."""
    keeper = getattr(store, "lease_key", None)
    if secret is None and keeper is not None:
        secret = keeper()
    if secret is None and (store.capabilities.durable or store.capabilities.shared):
        store.close()
        raise ArbeitError(
            Code.INVALID_INPUT,
            "this store outlives the process, so its lease tokens need a key that does, too",
            suggestions=("Pass key= to open, the same everywhere.",),
            data={"field": "key"},
        )
    # A store that outlives the process would remember artifacts whose bytes were gone with it.
    kept = getattr(store, "blobs", None) or (blobs.NoBlobs() if store.capabilities.durable else _memory())
    return Wiring(store, clock, secret or clock.entropy(32), overrides, plugged, kept)


def _providers(given: Mapping[str, SecretProvider]) -> Mapping[str, SecretProvider]:
    if not isinstance(given, Mapping):
        refuse("secrets", f"must be providers by name, not {type(given).__name__}")
    for name, provider in given.items():
        if not callable(getattr(provider, "resolve", None)):
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"the provider of secrets {name!r} has no method resolve(path)",
                suggestions=("Give an object whose resolve(path) returns the value.",),
                data={"field": "secrets"},
            )
    built_in = {
        "env": _WhenUsed(lambda: secret_providers.EnvSecrets()),  # noqa: PLW0108 - the module is imported by its attribute
        "file": _WhenUsed(lambda: secret_providers.FileSecrets()),  # noqa: PLW0108 - as above
    }
    return {**cast("Mapping[str, SecretProvider]", built_in), **given}


def _secret(key: str | bytes | None) -> bytes | None:
    if key is None:
        return None
    if not isinstance(key, str | bytes):
        refuse("key", f"must be text or bytes, not {type(key).__name__}")
    if isinstance(key, str):
        check_text("key", key)
    secret = key.encode() if isinstance(key, str) else key
    if len(secret) < 16:  # noqa: PLR2004 - 128 bits, what a token has
        raise ArbeitError(
            Code.INVALID_INPUT,
            "key must be at least 16 bytes long",
            suggestions=("Make one with secrets.token_hex(32), and keep it for all processes of the deployment.",),
            data={"field": "key"},
        )
    return secret


def _path(url: str, host: str, path: str) -> str:
    if host or path in {"", "/"}:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"{url!r} names no file",
            suggestions=("sqlite:///team.db is a file here, sqlite:////var/lib/team.db an absolute path.",),
            data={"field": "url"},
        )
    name = urls.unquote(path[1:]) if "%" in path else path[1:]
    check_text("url", name)
    return name


def _refuse_unknown(url: str, options: Mapping[str, str]) -> None:
    if options:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"{url.partition('?')[0]} takes no option {', '.join(sorted(options))}",
            suggestions=("Leave it out, or see the reference of settings for the options there are.",),
            data={"field": "url"},
        )
