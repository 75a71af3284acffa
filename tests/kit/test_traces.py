"""Traces: everybody knows the same ids and samples the same share, and nothing is carried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid1, uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from services.kit import traces
from services.kit.coalesce import Coalescer
from services.kit.traces import Tracer

pytestmark = pytest.mark.unit

SHOP, A, B = (str(UUID(int=number)) for number in range(3))


def ids_of(span: ReadableSpan) -> dict[str, str]:
    return {
        "trace_id": format_trace_id(span.context.trace_id),
        "span_id": format_span_id(span.context.span_id),
    }


def test_steps_of_one_traveller_are_one_tree_wherever_they_are_taken(
    spans: InMemorySpanExporter,
) -> None:
    with traces.step("send", [(SHOP, A)]):
        pass
    another = InMemorySpanExporter()
    traces.use(Tracer("another", SimpleSpanProcessor(another), 1.0))
    with traces.step("screen", [(SHOP, A)], parent="send"):
        pass

    [send], [screen] = spans.get_finished_spans(), another.get_finished_spans()
    assert screen.parent is not None
    assert (screen.parent.trace_id, screen.parent.span_id) == (
        send.context.trace_id,
        send.context.span_id,
    )
    assert send.parent is None
    assert screen.resource.attributes["service.name"] == "another"
    assert send.status.is_ok
    assert send.start_time is not None
    assert send.end_time is not None
    assert send.start_time <= send.end_time


def test_a_step_between_processes_has_the_times_it_is_given(
    spans: InMemorySpanExporter,
) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    traces.record("delivered", (SHOP, A), start, end, parent="send")

    [span] = spans.get_finished_spans()
    assert (span.start_time, span.end_time) == (
        1_767_225_600_000_000_000,
        1_767_312_000_000_000_000,
    )


def test_travellers_have_traces_of_their_own_each_once(spans: InMemorySpanExporter) -> None:
    with traces.step("send", [(SHOP, A), (SHOP, B), (SHOP, A)]):
        pass

    first, second = spans.get_finished_spans()
    assert first.context.trace_id != second.context.trace_id


def test_an_id_and_its_text_are_the_same_traveller(spans: InMemorySpanExporter) -> None:
    owner, own_id = uuid4(), uuid4()
    with traces.step("send", [(owner, own_id), (str(owner), str(own_id))]):
        pass

    [span] = spans.get_finished_spans()
    assert span.attributes == {"hudhud.id": f"{owner}/{own_id}"}


# Random, in order of time, and plainly counted.
@pytest.mark.parametrize("new", [uuid4, uuid1, count(1 << 90).__next__])
def test_a_share_is_sampled_and_all_agree_on_it(new: Callable[[], UUID | int]) -> None:
    ids = (new() for _ in range(4_000))
    travellers = [(SHOP, one if isinstance(one, UUID) else UUID(int=one)) for one in ids]
    exporters = [InMemorySpanExporter(), InMemorySpanExporter()]
    for exporter in exporters:
        traces.use(Tracer("probe", SimpleSpanProcessor(exporter), 0.25))
        with traces.step("send", travellers):
            pass
    traces.use(None)

    first, second = (
        {span.attributes["hudhud.id"] for span in exporter.get_finished_spans() if span.attributes}
        for exporter in exporters
    )
    assert first == second
    assert 0.2 < len(first) / len(travellers) < 0.3


def test_headers_name_the_step(spans: InMemorySpanExporter) -> None:
    with traces.step("delivered", [(SHOP, A)]):
        pass

    [span] = spans.get_finished_spans()
    headers = traces.headers((SHOP, A), "delivered")
    ids = ids_of(span)
    assert headers == {"traceparent": f"00-{ids['trace_id']}-{ids['span_id']}-01"}
    assert traces.log_ids_in(headers) == ids


@pytest.mark.parametrize("given", [None, {}, {"traceparent": ""}, {"traceparent": "nonsense"}])
def test_headers_of_somebody_else_name_nothing(given: dict[str, str] | None) -> None:
    assert traces.log_ids_in(given) == {}


def test_a_step_is_known_inside_it_and_the_one_around_it_after_it(
    spans: InMemorySpanExporter,
) -> None:
    assert traces.log_ids() == {}
    with traces.step("send", [(SHOP, A)]):
        around = traces.log_ids()
        with traces.step("screen", [(SHOP, A)], parent="send"):
            inside = traces.log_ids()
        assert traces.log_ids() == around
    assert traces.log_ids() == {}

    screen, send = spans.get_finished_spans()
    assert (inside, around) == (ids_of(screen), ids_of(send))


async def test_a_step_that_fails_is_known_by_its_error_where_that_is_told(
    spans: InMemorySpanExporter,
) -> None:
    async def handle(items: list[str]) -> list[str]:
        with traces.step("judge", ((SHOP, item) for item in items)):
            raise RuntimeError("nobody foresaw this")

    coalescer: Coalescer[str, str] = Coalescer(handle)
    with pytest.raises(RuntimeError) as failed:
        await asyncio.wait_for(coalescer.submit(A), 10)

    [span] = spans.get_finished_spans()
    assert traces.log_ids(failed.value) == ids_of(span)
    assert traces.log_ids() == {}
    assert not span.status.is_ok
    assert not span.events, "what an error says may quote what somebody wrote"


def test_off_nothing_is_recorded_and_nothing_is_read() -> None:
    traces.use(None)
    travellers = iter([(SHOP, A)])

    with traces.step("send", travellers):
        assert traces.log_ids() == {}
    assert list(travellers) == [(SHOP, A)]
    assert traces.headers((SHOP, A), "send") is None
    assert traces.log_ids(RuntimeError()) == {}
