"""JSON in its shortest text, by the C encoder made once: `JSONEncoder.encode` makes it anew for each call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _make() -> Callable[[Any], str]:
    python = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # pragma: no cover - interpreters without the C accelerator
        return python.encode
    encoder = make(None, python.default, json.encoder.encode_basestring, None, ":", ",", False, False, True)  # noqa: FBT003 - keys as they stand
    return lambda value: "".join(encoder(value, 0))


compact = _make()
"""The JSON of a value without spaces, keys in their order, and letters of any script as they are."""
