"""Modules that are imported when something of them is first used: a short process pays for what it does."""

from __future__ import annotations

from collections.abc import Callable
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


def names_of(package: str, **homes: str) -> Callable[[str], object]:
    """A package's `__getattr__`: each name comes from its module (`module="Name Other"`) when it is first asked for."""
    where = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> object:
        if name not in where:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        home = import_module(package)
        value: object = getattr(import_module(f"{package}.{where[name]}"), name)
        setattr(home, name, value)
        return value

    return get
