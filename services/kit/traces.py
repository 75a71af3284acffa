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
from uuid import UUID

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

_SCOPE: Final = InstrumentationScope("hudhud")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_STATUS: Final = {True: Status(StatusCode.ERROR), False: Status(StatusCode.UNSET)}
_RANDOM_BITS: Final = 56  # of a trace id: its last seven bytes, by which it is sampled
_MIXER: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835  # 2 ** 128 divided by the golden ratio
_MARK: Final = "hudhud_step"

# What a thing is known by: whose it is, and its id there; UUIDs, or the same as text.
Traveller: TypeAlias = tuple[UUID | str, UUID | str]


class Tracer:
    """Makes spans of a share of what travels, and hands them to a processor."""

    def __init__(self, service: str, processor: SpanProcessor, sampled_share: float) -> None:
        """`sampled_share` is between 0 and 1."""
        self._resource = Resource.create({"service.name": service})
        self._processor = processor
        self._below = int(sampled_share * (1 << _RANDOM_BITS))

    def sampled(self, travellers: Iterable[Traveller]) -> dict[int, str]:
        """The traces of those that are sampled, with what each is known by."""
        traces: dict[int, str] = {}
        for owner, own_id in travellers:
            random_part = _mixed(own_id)
            if random_part < self._below:
                text = f"{owner}/{own_id}"
                traces[_hashed(text.encode(), 9) << _RANDOM_BITS | random_part] = text
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


def _mixed(own_id: UUID | str) -> int:
    """The random part of a trace id, quickly: every message passes here at every step.

    Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4), so that
    ids that follow one another are sampled as others are.
    """
    number = int(own_id.replace("-", ""), 16) if isinstance(own_id, str) else own_id.int
    return (number * _MIXER % (1 << 128)) >> (128 - _RANDOM_BITS)


def _context(trace_id: int, name: str) -> SpanContext:
    return SpanContext(trace_id, _span_id(trace_id, name), is_remote=False, trace_flags=_SAMPLED)


def _nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1e9)


def _span_id(trace_id: int, name: str) -> int:
    return _hashed(trace_id.to_bytes(16, "big") + name.encode(), 8)


def _hashed(text: bytes, size: int) -> int:
    return int.from_bytes(blake2b(text, digest_size=size).digest(), "big")
