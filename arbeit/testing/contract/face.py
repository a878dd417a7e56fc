"""The public verbs over a store, through both faces: what users rely on."""

from __future__ import annotations

from arbeit.testing.contract.answers import Answers
from arbeit.testing.contract.handing import Handing
from arbeit.testing.contract.path import WholePath
from arbeit.testing.contract.questions import Questions


class FaceContract(WholePath, Handing, Answers, Questions):
    """The tests of the faces over a store: subclass it, and say in `open` how the store is opened."""
