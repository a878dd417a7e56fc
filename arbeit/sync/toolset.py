"""The agent tools for synchronous callers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from arbeit.project import Project as AsyncProject
from arbeit.sync.driving import run
from arbeit.sync.project import Project
from arbeit.toolset.box import Toolset as AsyncToolset
from arbeit.toolset.holdings import Holdings

Begin = Callable[[Mapping[str, Any]], tuple[Project, str]]
"""Makes the project with these settings; it, and where it lives."""


class Toolset:
    """The agent tools on a project, as one agent; see `arbeit.toolset.Toolset`."""

    def __init__(
        self,
        project: Project | None,
        *,
        holdings: Holdings | None = None,
        ttl: float | None = None,
        renew: bool = False,
        begin: Begin | None = None,
        capabilities: Iterable[str] | None = None,
        session_id: str = "",
    ) -> None:
        async def start(settings: Mapping[str, Any]) -> tuple[AsyncProject, str]:
            assert begin is not None  # noqa: S101 - passed on only if it is there
            made, path = begin(settings)
            return made.inner, path

        self.inner = AsyncToolset(
            project.inner if project is not None else None,
            holdings=holdings,
            ttl=ttl,
            renew=renew,
            begin=start if begin is not None else None,
            capabilities=capabilities,
            session_id=session_id,
        )

    def call(self, name: str, arguments: Mapping[str, Any] | str | bytes | None = None) -> dict[str, Any]:
        """Call a tool with JSON arguments, an object or its text; its envelope."""
        return run(self.inner.call(name, arguments))

    def do(self, name: str, /, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - each tool has its own
        """Call a tool with Python values of the right types; its envelope."""
        return run(self.inner.do(name, **params))

    def holding(self) -> list[str]:
        """The tasks that are held here, in the order in which they were granted."""
        return self.inner.holding()

    def leave(self, error: BaseException | None = None) -> None:
        """End everything that is held here as a `with` around it would: failed by an exception, else given back."""
        run(self.inner.leave(error))

    def release_all(self, note: str = "") -> list[str]:
        """Give back everything that is held here; the tasks that were."""
        return run(self.inner.release_all(note))
