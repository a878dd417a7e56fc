"""Modules that are imported when something of them is first used: a short process pays for what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


class Later:
    """Stands for a module; beside it, `if TYPE_CHECKING` imports that itself, for checkers of types and layers."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name}, when it is used>"

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        return getattr(import_module(self._name), name)


class Functions(dict[str, Callable[..., Any]]):
    """Functions of a package by a word (`word="module.function"`), each imported when it is first called for."""

    def __init__(self, package: str, homes: Mapping[str, str]) -> None:
        super().__init__()
        self._package = package
        self.homes = homes

    def __missing__(self, word: str) -> Callable[..., Any]:
        module, _, name = self.homes[word].partition(".")
        found: Callable[..., Any] = getattr(import_module(f"{self._package}.{module}"), name)
        self[word] = found
        return found


def getter(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`: names of its modules (`module="Name Other"`), imported when first asked for.

    Type checkers see the package's own imports, under `if TYPE_CHECKING`.
    """
    where = {name: module for module, names in homes.items() for name in names.split()}
    scope = vars(import_module(package))

    def get(name: str) -> Any:  # noqa: ANN401 - whatever the module has
        if name not in where:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = scope[name] = getattr(import_module(f"{package}.{where[name]}"), name)
        return value

    return get
