"""Owns traces: one for each thing that travels, named by its id, so that nothing has to be carried.

What travels here shares its batches with others, waits in mailboxes, and passes through an event
stream hours later. So the ids of a trace and of its spans are hashes of the id of what travels:
every process that meets it knows them, and whether it is sampled is a question to the same hash,
which all answer alike (W3C Trace Context level 2, "random trace id"). Spans hold ids and names,
never content. Off, which is the default, nothing is hashed and nothing is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from hashlib import blake2b
from typing import Final, TypeAlias

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

_SCOPE: Final = InstrumentationScope("hudhud")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_STATUS: Final = {True: Status(StatusCode.ERROR), False: Status(StatusCode.UNSET)}
_WHOLE: Final = 1 << 56  # the random part of a trace id, its last seven bytes, is below this
_MARK: Final = "hudhud_step"

# What a thing is known by: whose it is, and its id there.
Traveller: TypeAlias = tuple[object, object]


class Tracer:
    """Makes spans of a share of what travels, and hands them to a processor."""

    def __init__(self, service: str, processor: SpanProcessor, sampled_share: float) -> None:
        """`sampled_share` is between 0 and 1."""
        self._resource = Resource.create({"service.name": service})
        self._processor = processor
        self._below = int(sampled_share * _WHOLE)

    def sampled(self, travellers: Iterable[Traveller]) -> dict[int, str]:
        """The traces of those that are sampled, with what each is known by."""
        traces: dict[int, str] = {}
        for owner, own_id in travellers:
            text = f"{owner}/{own_id}"
            trace_id = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")
            if trace_id % _WHOLE < self._below:
                traces[trace_id] = text
        return traces

    def record(
        self,
        name: str,
        parent: str,
        sampled: Mapping[int, str],
        start: int,
        end: int,
        *,
        failed: bool = False,
    ) -> None:
        """One span for each trace."""
        for trace_id, text in sampled.items():
            self._processor.on_end(
                ReadableSpan(
                    name=name,
                    context=_context(trace_id, name),
                    parent=_context(trace_id, parent) if parent else None,
                    resource=self._resource,
                    attributes={"hudhud.id": text},
                    instrumentation_scope=_SCOPE,
                    start_time=start,
                    end_time=end,
                    status=_STATUS[failed],
                )
            )

    def close(self) -> None:
        """Export what is left."""
        self._processor.shutdown()


_tracer: Tracer | None = None
_current: Final[ContextVar[SpanContext | None]] = ContextVar("step", default=None)


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


@contextmanager
def step(name: str, travellers: Iterable[Traveller], *, parent: str = "") -> Iterator[None]:
    """A step `name`, part of the step `parent`, is taken inside for each of `travellers`.

    What is logged inside tells the trace of the first of them that is sampled, and so does whoever
    logs the exception that the step may end with.
    """
    tracer = _tracer
    sampled = None if tracer is None else tracer.sampled(travellers)
    if tracer is None or not sampled:
        yield
        return
    here = _context(next(iter(sampled)), name)
    before = _current.set(here)
    start, failed = time.time_ns(), True
    try:
        yield
        failed = False
    except BaseException as error:
        # It is logged elsewhere: where the call ends, beyond the task in which a batch was made.
        setattr(error, _MARK, here)
        raise
    finally:
        _current.reset(before)
        tracer.record(name, parent, sampled, start, time.time_ns(), failed=failed)


def record(name: str, traveller: Traveller, start: datetime, end: datetime, *, parent: str) -> None:
    """Tell of a step that is over: one that took place between processes."""
    if _tracer is not None and (sampled := _tracer.sampled([traveller])):
        _tracer.record(name, parent, sampled, _nanoseconds(start), _nanoseconds(end))


def headers(traveller: Traveller, name: str) -> dict[str, str] | None:
    """The `traceparent` (W3C Trace Context) of a step, for events that others may follow."""
    for trace_id in () if _tracer is None else _tracer.sampled([traveller]):
        return {"traceparent": f"00-{trace_id:032x}-{_span_id(trace_id, name):016x}-01"}
    return None


def log_ids(error: BaseException | None = None) -> dict[str, str]:
    """For a log line: the ids of the step that ended with `error`, or else of the present one."""
    if _tracer is None:
        return {}
    step: SpanContext | None = getattr(error, _MARK, None) or _current.get()
    if step is None:
        return {}
    return {"trace_id": f"{step.trace_id:032x}", "span_id": f"{step.span_id:016x}"}


def log_ids_in(headers: Mapping[str, str] | None) -> dict[str, str]:
    """For a log line about an event or a message: the ids in its `traceparent`, if it has one."""
    parts = (headers or {}).get("traceparent", "").split("-")
    return {"trace_id": parts[1], "span_id": parts[2]} if len(parts) == 4 else {}


def _context(trace_id: int, name: str) -> SpanContext:
    return SpanContext(trace_id, _span_id(trace_id, name), is_remote=False, trace_flags=_SAMPLED)


def _nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1e9)


def _span_id(trace_id: int, name: str) -> int:
    return int.from_bytes(
        blake2b(trace_id.to_bytes(16, "big") + name.encode(), digest_size=8).digest(), "big"
    )
