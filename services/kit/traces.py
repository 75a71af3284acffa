"""Owns traces: one for each thing that travels, named by its id, so that nothing has to be carried.

What travels here shares its batches with others, waits in mailboxes, and passes through an event
stream hours later. So the ids of a trace and of its spans are hashes of the id of what travels:
every process that meets it knows them, and whether it is sampled is a question to the same hash,
which all answer alike (W3C Trace Context level 2, "random trace id"). Spans hold ids and names,
never content. Off, which is the default, a call of `record` costs one comparison.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, TypeAlias

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

_SCOPE: Final = InstrumentationScope("hudhud")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_WHOLE: Final = 1 << 56  # the random part of a trace id, its last seven bytes, is below this

# What a thing is known by: whose it is, and its id there.
Traveller: TypeAlias = tuple[object, object]

now: Final = time.time_ns


class Tracer:
    """Makes spans of a share of what travels, and hands them to a processor."""

    def __init__(self, service: str, processor: SpanProcessor, sampled_share: float) -> None:
        """`sampled_share` is between 0 and 1."""
        self._resource = Resource.create({"service.name": service})
        self._processor = processor
        self._below = int(sampled_share * _WHOLE)

    def trace_id(self, traveller: Traveller) -> int | None:
        """The trace of what is known by this; None if it is not sampled."""
        digest = blake2b(_text(traveller).encode(), digest_size=16).digest()
        trace_id = int.from_bytes(digest, "big")
        return trace_id if trace_id % _WHOLE < self._below else None

    def record(
        self,
        name: str,
        parent: str,
        travellers: Iterable[Traveller],
        start: int,
        end: int,
    ) -> None:
        """One span for each of those that are sampled."""
        for traveller in travellers:
            trace_id = self.trace_id(traveller)
            if trace_id is None:
                continue
            self._processor.on_end(
                ReadableSpan(
                    name=name,
                    context=_context(trace_id, name),
                    parent=_context(trace_id, parent) if parent else None,
                    resource=self._resource,
                    attributes={"hudhud.id": _text(traveller)},
                    instrumentation_scope=_SCOPE,
                    start_time=start,
                    end_time=end,
                )
            )

    def close(self) -> None:
        """Export what is left."""
        self._processor.shutdown()


_tracer: Tracer | None = None


def start(service: str, endpoint: str, sampled_share: float) -> None:
    """Trace from now on, to an OpenTelemetry collector at `endpoint` (http://host:port, OTLP)."""
    use(Tracer(service, BatchSpanProcessor(OTLPSpanExporter(endpoint)), sampled_share))


def use(tracer: Tracer | None) -> None:
    """Record with this tracer; with None, nothing."""
    global _tracer
    _tracer = tracer


def stop() -> None:
    """Export what is left, and trace no more."""
    if _tracer is not None:
        _tracer.close()
    use(None)


def is_on() -> bool:
    """Whether anything is recorded: to skip what only a trace needs."""
    return _tracer is not None


def record(
    name: str,
    travellers: Iterable[Traveller],
    start: int,
    end: int | None = None,
    *,
    parent: str = "",
) -> None:
    """Tell that a step `name`, part of the step `parent`, was taken for each of `travellers`.

    `start` and `end` are nanoseconds since 1970 as `now` gives them; without `end` it is now.
    """
    if _tracer is not None:
        _tracer.record(name, parent, travellers, start, end or now())


def headers(traveller: Traveller, name: str) -> dict[str, str] | None:
    """The `traceparent` (W3C Trace Context) of a step, for events that others may follow."""
    trace_id = None if _tracer is None else _tracer.trace_id(traveller)
    if trace_id is None:
        return None
    return {"traceparent": f"00-{trace_id:032x}-{_span_id(trace_id, name):016x}-01"}


def _text(traveller: Traveller) -> str:
    owner, own_id = traveller
    return f"{owner}/{own_id}"


def _context(trace_id: int, name: str) -> SpanContext:
    return SpanContext(trace_id, _span_id(trace_id, name), is_remote=False, trace_flags=_SAMPLED)


def _span_id(trace_id: int, name: str) -> int:
    return int.from_bytes(
        blake2b(trace_id.to_bytes(16, "big") + name.encode(), digest_size=8).digest(), "big"
    )
