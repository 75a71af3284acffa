"""Owns what messaging tells of itself: states of messages, time to delivery, mailboxes."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from hudhud.clearance.v1 import clearance_pb2
from services.kit import traces
from services.kit.metrics import Sample
from services.messaging.domain import Change, Message, State
from services.messaging.store import mailboxes

_STATES: Final = Counter(
    "hudhud_messages_total", "Messages that came to a state, by category", ["category", "state"]
)
_DELIVERY: Final = Histogram(
    "hudhud_delivery_duration_seconds",
    "From the promise to the first device that has the message",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 21_600, 86_400),
)
MAILBOXES: Final = Sample(
    mailboxes.SAMPLE,
    (
        Gauge("hudhud_mailbox_envelopes", "Sealed copies that wait for a device, about"),
        Gauge("hudhud_mailbox_oldest_seconds", "Age of the one of those that expires next"),
    ),
)


def count_accepted(messages: Iterable[Message]) -> None:
    """Count messages that were promised just now."""
    for category, count in Tally(message.category for message in messages).items():
        _STATES.labels(_name(category), State.ACCEPTED.name.lower()).inc(count)


def count_changes(changes: Iterable[Change]) -> None:
    """Count and trace messages that came to another state, once that is on disk."""
    tally: Tally[tuple[int, State]] = Tally()
    for message, _, _ in changes:
        tally[message.category, message.state] += 1
        if message.state is State.DELIVERED:
            _DELIVERY.observe((message.update_time - message.accept_time).total_seconds())
        traces.record(
            message.state.name.lower(),
            message.key[1:],
            message.accept_time,
            message.update_time,
            parent="send",
        )
    for (category, state), count in tally.items():
        _STATES.labels(_name(category), state.name.lower()).inc(count)


def _name(category: int) -> str:
    return clearance_pb2.Category.Name(category).removeprefix("CATEGORY_").lower()
