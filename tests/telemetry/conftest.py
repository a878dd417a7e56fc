"""The real SDK, recording into memory, in place of whatever the process has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Recorded:
    """What was recorded."""

    def __init__(self) -> None:
        self.tracers = TracerProvider()
        self._exporter = InMemorySpanExporter()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Ended spans, in the order of their ends."""
        return [span for span in self._exporter.get_finished_spans() if name in {None, span.name}]

    def span(self, name: str) -> ReadableSpan:
        """The only span of a name."""
        (span,) = self.spans(name)
        return span

    def clear(self) -> None:
        self._exporter.clear()

    def metrics(self) -> dict[str, list[tuple[Mapping[str, Any], Any]]]:
        """By name: attributes, and a sum, or a histogram's (count, sum)."""
        found: dict[str, list[tuple[Mapping[str, Any], Any]]] = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points: Any = metric.data.data_points
                    found[metric.name] = [(dict(point.attributes), _value(point)) for point in points]
        return found


def _value(point: Any) -> Any:  # noqa: ANN401 - points of two kinds
    return point.value if hasattr(point, "value") else (point.count, point.sum)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    found = Recorded()
    # The public setters work once in a process.
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", found.tracers)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", found.meters)
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()
