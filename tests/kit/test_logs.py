"""Log lines: ids as fields, and nothing of what a message says."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.kit import logs, traces

log = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(log_format: Literal["text", "json"], **more: str) -> str:
    stream = io.StringIO()
    logs.configure("shop", log_format, stream=stream)
    log.info("sold", extra={"account_id": "a1", **more})
    try:
        raise ValueError("quoting what somebody wrote")
    except ValueError:
        log.exception("failed")
    return stream.getvalue()


def test_json_lines_are_objects_with_the_given_ids() -> None:
    sold, failed = map(json.loads, lines("json").splitlines())
    assert (sold["service"], sold["level"], sold["message"]) == ("shop", "INFO", "sold")
    assert sold["account_id"] == "a1"
    assert failed["exception"] == "ValueError"
    assert failed["frames"][-1].endswith(" lines")


def test_json_lines_do_not_repeat_what_an_exception_quotes() -> None:
    assert "somebody wrote" not in lines("json")


def test_json_lines_name_the_trace_they_belong_to(spans: InMemorySpanExporter) -> None:
    with traces.step("send", [(uuid4(), uuid4())]):
        told, ids = lines("json"), traces.log_ids()
    assert ids.keys() == {"trace_id", "span_id"}
    for line in told.splitlines():
        assert json.loads(line).items() >= ids.items()


def test_json_lines_of_nothing_traced_name_none() -> None:
    assert "trace_id" not in lines("json")


def test_text_lines_do_without_the_names_of_traces(
    spans: InMemorySpanExporter,
) -> None:
    with traces.step("send", [(uuid4(), uuid4())]):
        text = lines("text", **traces.log_ids())
    assert "INFO    sold  account_id=a1\n" in text


def test_text_lines_are_readable() -> None:
    text = lines("text")
    assert "shop      INFO    sold  account_id=a1" in text
    assert "ValueError: quoting what somebody wrote" in text
