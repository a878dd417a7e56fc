"""Spans, metrics and log fields: silent, and nothing is imported, unless the application uses OpenTelemetry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arbeit.telemetry.spans import Telemetry


def connect() -> Telemetry | None:
    """What records, if the application has imported OpenTelemetry and set a provider by now; else None."""
    if "opentelemetry" not in sys.modules:
        return None
    try:
        from arbeit.telemetry.spans import Telemetry, provided  # noqa: PLC0415 - it imports OpenTelemetry
    except ImportError:
        # The namespace is shared: other packages of OpenTelemetry's may be there without its API.
        return None
    return Telemetry() if provided() else None
