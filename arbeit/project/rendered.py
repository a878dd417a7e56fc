"""The verbs that turn a task into text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from arbeit.core.later import Later
from arbeit.project.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Literal

    from arbeit.rendering import brief as briefs
    from arbeit.rendering.brief import Brief, Style
else:
    briefs = Later("arbeit.rendering.brief")


class Rendered(Reading):
    """Briefs and documents."""

    async def brief(
        self,
        task_id: str,
        *,
        max_tokens: int = 2000,
        count: Callable[[str], int] | None = None,
        style: Style = "python",
    ) -> Brief:
        """What a successor needs to go on with a task, within a budget of tokens.

        The task's intent and state, what it waits for, current decisions, failed attempts, open items, the latest
        evidence. No entry is cut; what did not fit is counted, with the call that brings it. `count` counts the
        tokens of a text exactly; without it they are estimated, rather too high. `style` says in which words the calls
        are given: those of Python, of the agent tools, or of the command line.

        Raises:
            ArbeitError: TASK_NOT_FOUND; INVALID_INPUT for a `max_tokens` beyond 100 to 1,000,000, or one that not even
                the task's own words fit into; the error says how many do.
        """
        return briefs.brief(await self.get(task_id, include=briefs.NEEDS), max_tokens, count, style)

    async def document(self, task_id: str, *, include: Collection[str] | Literal["all"] = "all", depth: int = 0) -> str:
        """A task as a Markdown document, with any parts of `arbeit.PARTS`, and the tasks so many levels below it.

        Raises:
            ArbeitError: TASK_NOT_FOUND; INVALID_INPUT for a part that there is not, or a depth beyond 0 to 16.
        """
        # Only who asks for a document loads what makes one.
        from arbeit.rendering.markdown import document  # noqa: PLC0415

        return document(await self.get(task_id, include=include, depth=depth))
