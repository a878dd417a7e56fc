"""Log records as JSON lines with the fields that join them to the log and the traces, and their sampling."""

from __future__ import annotations

import json
import logging
import random
import sys
import zlib
from datetime import UTC, datetime
from typing import Any

FIELDS = ("project", "task_id", "correlation_id", "trace_id", "operation")
"""What a record may carry in `extra`. Nothing else is written: a token that strays into a record stays there."""


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (RFC 3339), level, logger, message, `FIELDS` where known, error."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value:
                said[name] = str(value)
        if "trace_id" not in said and (trace_id := _current_trace()) is not None:
            said["trace_id"] = trace_id
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


class Sampled(logging.Filter):
    """Lets this share of the records at INFO and below pass, and every one above.

    Records of one trace or correlation pass or fall together, in every process alike.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        if record.levelno > logging.INFO:
            return True
        key = getattr(record, "trace_id", None) or getattr(record, "correlation_id", None)
        if key:
            return zlib.crc32(str(key).encode()) < self.rate * 2**32
        return random.random() < self.rate  # noqa: S311 - thinning out, not keeping a secret


def _current_trace() -> str | None:
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace  # noqa: PLC0415 - the application has imported it

    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
