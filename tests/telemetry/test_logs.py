"""Log records come as JSON lines that join the log and the traces, thinned out by one rate."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace

import arbeit
from arbeit.telemetry.logs import JsonFormatter, Sampled
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import WiredHub
from tests.engine.stores import in_memory
from tests.telemetry.conftest import Recorded

Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say() -> Say:
    def say(message: str, *args: object, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.setFormatter(JsonFormatter())
        logger = logging.getLogger("arbeit.test")
        logger.addHandler(handler)
        logger.warning(message, *args, **given)
        logger.removeHandler(handler)
        (line,) = out.getvalue().splitlines()
        said: dict[str, Any] = json.loads(line)
        return said

    return say


def test_a_record_is_one_line_of_json(say: Say) -> None:
    said = say("two\nlines, %s", "grüße", extra={"project": "demo", "task_id": "t1", "operation": "task.claim"})
    at = said.pop("time")
    assert said == {
        "level": "WARNING",
        "logger": "arbeit.test",
        "message": "two\nlines, grüße",
        "project": "demo",
        "task_id": "t1",
        "operation": "task.claim",
    }
    assert len(at) == len("2026-01-19T13:38:24.130Z")
    assert at.endswith("Z")


def test_nothing_but_the_known_fields_is_written(say: Say) -> None:
    assert "token" not in say("m", extra={"token": "secret", "project": None})
    assert "project" not in say("m", extra={"project": None})


def test_the_time_is_rfc_3339_in_utc() -> None:
    record = logging.LogRecord("arbeit", logging.INFO, "", 0, "m", None, None)
    record.created = 1_768_829_904.130
    assert json.loads(JsonFormatter().format(record))["time"] == "2026-01-19T13:38:24.130Z"


def test_an_exception_is_a_field(say: Say) -> None:
    assert say("m", exc_info=ValueError("why"))["error"].endswith("ValueError: why")


def test_the_trace_under_way_is_named(say: Say, recorded: Recorded) -> None:
    assert recorded.spans() == []
    assert "trace_id" not in say("m")
    with trace.get_tracer("application").start_as_current_span("request") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
        assert say("m")["trace_id"] == trace_id
        assert say("m", extra={"trace_id": "another"})["trace_id"] == "another"


def record(level: int, **fields: str) -> logging.LogRecord:
    made = logging.LogRecord("arbeit", level, "", 0, "m", None, None)
    made.__dict__.update(fields)
    return made


def test_warnings_are_never_thinned_out() -> None:
    assert Sampled(0).filter(record(logging.WARNING))
    assert not Sampled(0).filter(record(logging.INFO))
    assert Sampled(1).filter(record(logging.DEBUG))


@pytest.mark.parametrize("field", ["trace_id", "correlation_id"])
def test_records_that_belong_together_pass_or_fall_together(field: str) -> None:
    half = Sampled(0.5)
    kept = [half.filter(record(logging.INFO, **{field: f"{number:032x}"})) for number in range(400)]
    assert 120 < sum(kept) < 280
    assert kept == [half.filter(record(logging.INFO, **{field: f"{number:032x}"})) for number in range(400)]


@pytest.mark.anyio
async def test_what_fails_inside_is_logged_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def refuse(self, _claimed: object) -> None:
            raise LookupError("a defect")

    async with WiredHub(in_memory(VirtualClock(), {"completion": Broken()})[1], background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", task_id="t1")
        work = await project.claim("ada")
        assert work is not None
        with pytest.raises(arbeit.ArbeitError):
            await work.complete("done", evidence=["e"])
        failed = next(one for one in caplog.records if one.levelno == logging.ERROR)
        said = json.loads(JsonFormatter().format(failed))
        assert (said["project"], said["task_id"], said["operation"]) == ("demo", "t1", "task.complete")
        assert work.token not in json.dumps(said)
