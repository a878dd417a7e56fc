"""Embedders whose vectors a test can foresee: each word of a text has a direction of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from arbeit.core.searching import words


class Toy:
    """Texts are near when they share words; `seen` has every text that was embedded."""

    floor = 0.05

    def __init__(self, name: str = "toy", dimensions: int = 64) -> None:
        self.name = name
        self.dimensions = dimensions
        self.seen: list[str] = []
        self.broken: Exception | None = None
        self.left: int | None = None
        """Calls until it breaks; None: it never does."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("the model is gone")
        if self.broken is not None:
            raise self.broken
        self.seen += texts
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in words(text):
            digest = hashlib.sha256(f"{self.name} {word}".encode()).digest()
            vector[int.from_bytes(digest[:4], "big") % self.dimensions] += 1.0
        return vector
