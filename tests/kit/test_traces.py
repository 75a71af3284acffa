"""Traces: everybody knows the same ids and samples the same share, and nothing is carried."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.kit import traces
from services.kit.traces import Tracer

pytestmark = pytest.mark.unit


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    traces.use(Tracer("probe", SimpleSpanProcessor(exporter), 1.0))
    yield exporter
    traces.use(None)


def test_steps_of_one_traveller_are_one_tree_wherever_they_are_taken(
    exported: InMemorySpanExporter,
) -> None:
    traces.record("send", [("shop", "a")], 1, 9)
    another = InMemorySpanExporter()
    traces.use(Tracer("another", SimpleSpanProcessor(another), 1.0))
    traces.record("screen", [("shop", "a")], 2, 3, parent="send")

    [send], [screen] = exported.get_finished_spans(), another.get_finished_spans()
    assert screen.parent is not None
    assert (screen.parent.trace_id, screen.parent.span_id) == (
        send.context.trace_id,
        send.context.span_id,
    )
    assert send.parent is None
    assert screen.resource.attributes["service.name"] == "another"
    assert (send.start_time, send.end_time) == (1, 9)


def test_travellers_have_traces_of_their_own(exported: InMemorySpanExporter) -> None:
    traces.record("send", [("shop", "a"), ("shop", "b")], 1)

    first, second = exported.get_finished_spans()
    assert first.context.trace_id != second.context.trace_id


def test_a_share_is_sampled_and_all_agree_on_it() -> None:
    travellers = [("shop", uuid4()) for _ in range(4_000)]
    exporters = [InMemorySpanExporter(), InMemorySpanExporter()]
    for exporter in exporters:
        traces.use(Tracer("probe", SimpleSpanProcessor(exporter), 0.25))
        traces.record("send", travellers, 1)
    traces.use(None)

    first, second = (
        {span.attributes["hudhud.id"] for span in exporter.get_finished_spans() if span.attributes}
        for exporter in exporters
    )
    assert first == second
    assert 0.2 < len(first) / len(travellers) < 0.3


def test_headers_name_the_step(exported: InMemorySpanExporter) -> None:
    traces.record("delivered", [("shop", "a")], 1)

    [span] = exported.get_finished_spans()
    assert traces.headers(("shop", "a"), "delivered") == {
        "traceparent": f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
    }


def test_off_nothing_is_recorded_and_nothing_is_read() -> None:
    traces.use(None)
    travellers = iter([("shop", "a")])

    traces.record("send", travellers, 1)
    assert list(travellers) == [("shop", "a")]
    assert traces.headers(("shop", "a"), "send") is None
