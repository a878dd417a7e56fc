"""The public verbs over a store, through both faces: what users rely on."""

from __future__ import annotations

from arbeit.testing.contract.answers import Answers
from arbeit.testing.contract.path import WholePath


class FaceContract(WholePath, Answers):
    """The tests of the faces over a store: subclass it, and say in `open` how the store is opened."""
