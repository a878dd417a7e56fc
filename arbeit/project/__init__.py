"""The verbs of a project: each builds one command, sends it, and picks the answer out of the reply."""

from __future__ import annotations

from arbeit.project.artifacts import Artifacts
from arbeit.project.claims import Claims
from arbeit.project.knowledge import Knowledge
from arbeit.project.named import Named
from arbeit.project.past import Past
from arbeit.project.rendered import Rendered
from arbeit.project.searching import Searching
from arbeit.project.setup import Setup
from arbeit.project.supervision import Supervision
from arbeit.project.tasks import Tasks

__all__ = ["Project"]


class Project(Setup, Tasks, Claims, Knowledge, Artifacts, Supervision, Searching, Named, Rendered, Past):
    """One project, as one actor sees it. Cheap to make; holds nothing open.

    Every method that changes something takes `idempotency_key`: the same key with the same arguments returns
    the first reply instead of doing it twice. All raise ArbeitError.
    """

    def as_(self, actor: str) -> Project:
        """The same project, spoken to by another actor."""
        return Project(self._session, self.key, actor)
