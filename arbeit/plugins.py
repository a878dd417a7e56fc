"""Finds what plug-ins add. One registry per `open`; nothing is imported or scanned before a name asks for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, get_type_hints

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import refuse
from arbeit.core.model import Event
from arbeit.core.policy import Policies

if TYPE_CHECKING:
    from pluggy import HookImpl, PluginManager

    from arbeit.hookspecs import (
        BackendFactory,
        EmbedderFactory,
        SecretProviderFactory,
        SinkFactory,
    )

GROUP = "arbeit"
"""The group of entry points that installed plug-ins announce themselves in."""
NOTICES = frozenset({"task_escalated", "preempt_requested"})
"""Types of the events that `arbeit_notify` is called for."""
_NAMED = ("arbeit_backends", "arbeit_sinks", "arbeit_embedders", "arbeit_secret_providers")
_FIXED_KINDS = frozenset({"access"})


class Plugins:
    """The plug-ins of one hub: those given to `open`, then those installed.

    Raises:
        ArbeitError: INTERNAL for a given one that is broken; INVALID_INPUT for what is no list of them.
    """

    def __init__(self, given: Iterable[object] = ()) -> None:
        if not isinstance(given, Iterable):
            refuse("plugins", f"must be a list of modules or objects with hooks, not {type(given).__name__}")
        self._lock = RLock()
        self._manager: PluginManager | None = None
        self._scanned = False
        self._failures: list[ArbeitError] = []
        for plugin in given:
            self._register(plugin, None)
        if self._manager is not None:
            self._validate(self._manager)

    # -- lookups ---------------------------------------------------------------------------------------

    def backend(self, scheme: str) -> BackendFactory | None:
        """What opens URLs of a scheme."""
        found: BackendFactory | None = self._find("arbeit_backends", scheme)
        return found

    def sink(self, scheme: str) -> SinkFactory | None:
        """What makes event sinks for URLs of a scheme."""
        found: SinkFactory | None = self._find("arbeit_sinks", scheme)
        return found

    def embedder(self, name: str) -> EmbedderFactory | None:
        """What makes the embedder of a name."""
        found: EmbedderFactory | None = self._find("arbeit_embedders", name)
        return found

    def secret_providers(self) -> Mapping[str, SecretProviderFactory]:
        """What makes each provider of secrets, by name."""
        # One whose name is disputed raises when it is made: the others are of use all the same.
        return {name: self._late(name, claims) for name, claims in self._all("arbeit_secret_providers")}

    def policy(self, kind: str, name: str) -> Callable[[Mapping[str, Any]], Any] | None:
        """What makes a policy from its parameters, refusing bad ones."""
        found = self._claims("arbeit_policies", lambda said: _inner(said, kind, name))
        if not found:
            self._raise_failures()
            return None
        plugin, factory = self._only(f"{kind} policy {name}", found)
        if kind in _FIXED_KINDS:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"settings: {kind} is not a project's to choose from plug-ins",
                suggestions=(f'Whoever runs this gives it to open(..., policies={{"{kind}": ...}}).',),
                data={"field": f"settings.{kind}", "plugin": plugin},
            )
        return lambda given: _policy(plugin, kind, name, factory, given)

    def notify(self, project: str, event: Event) -> None:
        """Tell every plug-in of an event; what one raises is logged, and the next is told all the same."""
        try:
            impls = self._impls("arbeit_notify")
        except Exception:  # noqa: BLE001 - as below; a damaged package's metadata raises what it likes
            _log_failure("plug-ins could not be loaded to tell them of %s %s", event.type, event.id, event=event)
            return
        for impl in impls:
            given = {"project": project, "event": event}
            try:
                impl.function(**{name: given[name] for name in impl.argnames})
            except Exception:  # noqa: BLE001 - a plug-in's fault is not its caller's
                _log_failure("plug-in %s failed on %s %s", impl.plugin_name, event.type, event.id, event=event)

    # -- registry --------------------------------------------------------------------------------------

    def _find(self, hook: str, name: str) -> Any:  # noqa: ANN401 - each hook has factories of its own
        found = self._claims(hook, lambda said: said.get(name))
        if not found:
            self._raise_failures()
            return None
        return self._guarded(*self._only(name, found))

    def _all(self, hook: str) -> Iterable[tuple[str, list[tuple[str, Any]]]]:
        names: dict[str, list[tuple[str, Any]]] = {}
        for impl in self._impls(hook):
            for name, factory in _ask(impl).items():
                names.setdefault(name, []).append((impl.plugin_name, factory))
        return names.items()

    def _claims(self, hook: str, pick: Callable[[Mapping[str, Any]], Any]) -> list[tuple[str, Any]]:
        said = [(impl.plugin_name, pick(_ask(impl))) for impl in self._impls(hook)]
        return [(plugin, factory) for plugin, factory in said if factory is not None]

    @staticmethod
    def _only(name: str, claims: list[tuple[str, Any]]) -> tuple[str, Any]:
        if len(claims) > 1:
            plugins = " and ".join(sorted(plugin for plugin, _ in claims))
            raise ArbeitError(
                Code.INTERNAL,
                f"plug-ins {plugins} both claim {name}",
                suggestions=("Uninstall one of them, or have one choose another name.",),
                data={"plugin": sorted(plugin for plugin, _ in claims)},
            )
        plugin, factory = claims[0]
        if not callable(factory):
            raise _broken(plugin, f"has a {type(factory).__name__} instead of a factory for {name}")
        return plugin, factory

    def _late(self, name: str, claims: list[tuple[str, Any]]) -> Callable[[], Any]:
        def make() -> Any:  # noqa: ANN401 - the factory's own
            return self._guarded(*self._only(name, claims))()

        return make

    @staticmethod
    def _guarded(plugin: str, factory: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: object) -> Any:  # noqa: ANN401 - the factory's own
            try:
                return factory(*args)
            except ArbeitError:
                raise
            except Exception as error:
                raise _broken(plugin, f"raised {type(error).__name__}: {error}") from error

        return make

    def _impls(self, hook: str) -> list[HookImpl]:
        with self._lock:
            manager = self._loaded()
            # Called one by one, not through pluggy's loop: so that a fault has a name.
            return list(reversed(getattr(manager.hook, hook).get_hookimpls()))

    def _empty(self) -> PluginManager:
        if self._manager is None:
            from pluggy import PluginManager

            from arbeit import hookspecs

            self._manager = PluginManager("arbeit")
            self._manager.add_hookspecs(hookspecs)
        return self._manager

    def _loaded(self) -> PluginManager:
        manager = self._empty()
        if self._scanned:
            return manager
        from importlib.metadata import entry_points

        for entry in entry_points(group=GROUP):
            try:
                self._register_entry(entry.name, entry.load)
            except ArbeitError as error:
                self._failures.append(error)
                _log_failure("%s", error.message)
        self._scanned = True
        return manager

    def _register_entry(self, name: str, load: Callable[[], object]) -> None:
        try:
            plugin = load()
        except Exception as error:
            raise _broken(name, f"could not be imported ({type(error).__name__}: {error})") from error
        if not self._empty().is_registered(plugin):
            self._register(plugin, name)

    def _register(self, plugin: object, name: str | None) -> None:
        manager = self._empty()
        if isinstance(plugin, str):
            raise _broken(plugin, "is a name; give the module or object itself")
        wanted = name = name or str(getattr(plugin, "__name__", None) or type(plugin).__name__)
        numbers = itertools.count(2)
        while manager.has_plugin(name):
            name = f"{wanted}-{next(numbers)}"
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except Exception as error:
            if manager.is_registered(plugin):
                manager.unregister(plugin)
            raise _broken(name, f"does not fit ({error})") from error

    @staticmethod
    def _validate(manager: PluginManager) -> None:
        """Ask what was given at once: a fault is found where `open` is called."""
        for hook in _NAMED:
            for impl in getattr(manager.hook, hook).get_hookimpls():
                _ask(impl)
        kinds = get_type_hints(Policies)
        for impl in manager.hook.arbeit_policies.get_hookimpls():
            if unknown := sorted(set(_ask(impl)) - set(kinds)):
                raise _broken(impl.plugin_name, f"has policies of no kind there is: {', '.join(unknown)}")

    def _raise_failures(self) -> None:
        """A name that nobody has may be one that a broken plug-in would have had."""
        if self._failures:
            raise self._failures[0]


def _ask(impl: HookImpl) -> Mapping[str, Any]:
    try:
        said = impl.function()
    except Exception as error:
        raise _broken(impl.plugin_name, f"raised {type(error).__name__}: {error}") from error
    if not isinstance(said, Mapping):
        raise _broken(impl.plugin_name, f"answers with a {type(said).__name__} where a mapping is wanted")
    return said


def _inner(said: Mapping[str, Any], kind: str, name: str) -> Any:  # noqa: ANN401 - a factory, if it is sound
    named = said.get(kind, {})
    return named.get(name) if isinstance(named, Mapping) else None


def _policy(plugin: str, kind: str, name: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each kind has a protocol
    parameters = {key: value for key, value in given.items() if key != "name"}
    try:
        made = factory(**parameters)
    except ArbeitError:
        raise
    except (TypeError, ValueError) as error:
        if not parameters:
            raise _broken(plugin, f"cannot make {kind} policy {name}: {error}") from error
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"settings: {kind} policy {name} of plug-in {plugin} refuses its parameters: {error}",
            suggestions=(f"See what plug-in {plugin} says of {name}.",),
            data={"field": f"settings.{kind}", "plugin": plugin},
        ) from error
    except Exception as error:
        raise _broken(plugin, f"cannot make {kind} policy {name}: {type(error).__name__}: {error}") from error
    missing = [name for name in members(kind) if not hasattr(made, name)]
    if missing:
        raise _broken(plugin, f"has a {kind} policy {name} that lacks {', '.join(missing)}")
    return made


def members(kind: str) -> Collection[str]:
    """What a policy of a kind must have, as its protocol says."""
    return [name for name in vars(get_type_hints(Policies)[kind]) if not name.startswith("_")]


def _broken(plugin: str, problem: str) -> ArbeitError:
    return ArbeitError(
        Code.INTERNAL,
        f"plug-in {plugin} {problem}",
        suggestions=(f"Mend, update or uninstall plug-in {plugin}.",),
        data={"plugin": plugin},
    )


def _log_failure(message: str, *args: object, event: Event | None = None) -> None:
    # Imported when something went wrong: synchronous callers load no logging otherwise.
    import logging

    extra: dict[str, object] = {}
    if event is not None:
        extra = {"project": event.project, "task_id": event.task_id, "correlation_id": event.correlation_id}
    logging.getLogger("arbeit").warning(message, *args, exc_info=True, extra=extra)  # noqa: LOG014 - called in handlers
