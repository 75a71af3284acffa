"""From what one message costs to what a day's messages need. Nothing here is measured.

Every assumption is a field of `Assumptions` and stands in the document with its value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

from docs.scale.figures import SERVICES, Figures

DAY_SECONDS: Final = 86_400
MONTH_DAYS: Final = 30
MONTH_HOURS: Final = 730
DECADES: Final = tuple(range(3, 12))

# Rows that go again when the message has arrived; the room they leave is used by the next.
PASSING_TABLES: Final = (
    "billing.open_reservations",
    "messaging.device_envelopes",
    "messaging.outbox_pending",
)
WAITING_TABLE: Final = "messaging.device_envelopes"
EVENTS_KEPT_TABLES: Final = ("messaging.outbox", "messaging.relay_batches")
LEDGER_TABLES: Final = ("billing.entries", "billing.receipts")


@dataclass(frozen=True)
class Assumptions:
    """What was not measured. The comment of each says why it is what it is."""

    # The busiest hour has three times the mean of the day.
    peak_over_mean: float = 3.0
    # Machines are bought so that the busiest hour uses so much of them.
    utilisation: float = 0.6
    # Everybody gets two messages a day, until all the 1.5 billion people are there.
    messages_of_person_day: float = 2.0
    people_max: float = 1.5e9
    # Phones attached at the busiest hour, one a person.
    attached_share: float = 0.3
    # A stream that nobody wakes looks so often; a setting of messaging, this is its default.
    poll_seconds: float = 10.0
    # Of all messages: free words that the classifier has not read before.
    new_wordings_share: float = 0.2
    # Of all messages: the first to a person, or the first from this replica of the edge.
    first_words_share: float = 0.05
    # Settings of messaging and of the edge, these are their defaults; verdicts and events of the
    # outbox say themselves how long.
    messages_kept_days: float = 45.0
    edge_events_kept_days: float = 30.0
    ledger_kept_days: float = 400.0
    # Of everybody's messages, how many wait for a phone that is off, and how long.
    waiting_days: float = 0.2
    # A database node: cores, log to disk, disk.
    node_cores: float = 32.0
    node_log_bytes_s: float = 200e6
    node_disk_bytes: float = 16e12
    copies: float = 3.0
    # Events of one JetStream stream, three times kept; and of its only relay.
    stream_events_s: float = 5_000.0
    # Rents in US dollars: a core with its memory, disk, and what leaves for the internet.
    core_hour_dollars: float = 0.04
    disk_gigabyte_month_dollars: float = 0.10
    outward_gigabyte_dollars: float = 0.02


VERDICTS_KEPT_DAYS: Final = 40.0  # services/policy/housekeeping.py
OUTBOX_KEPT_DAYS: Final = 7.0  # services/kit/jetstream.py, which keeps a day longer
# What a phone that waits keeps busy.
WAITED_ON: Final = ("messaging", "identity", "postgres", "nats")
TOKEN_SECONDS: Final = 900.0  # services/identity/access_tokens.py


@dataclass(frozen=True)
class Needs:
    """What a number of messages a day needs in the busiest hour."""

    messages_day: float
    mean_s: float
    peak_s: float
    people: float
    streams: float
    # Cores bought, by process: those of the road and those of phones that wait.
    road_cores: dict[str, float]
    idle_cores: dict[str, float]
    # All cores, the other copies of the databases among them.
    cores: float
    replicas: dict[str, int]
    log_bytes_s: float
    kept_bytes: float
    database_nodes: int
    database_nodes_for: str  # what asks for the most
    jetstream_streams: int
    inward_bits_s: float
    outward_bits_s: float
    inside_bits_s: float
    stream_memory_bytes: float
    core_dollars: float
    disk_dollars: float
    outward_dollars: float

    @property
    def dollars(self) -> float:
        """Everything, for a month."""
        return self.core_dollars + self.disk_dollars + self.outward_dollars

    @property
    def dollars_of_million(self) -> float:
        """For a million messages."""
        return self.dollars / (self.messages_day * MONTH_DAYS) * 1e6


def message_cpu(figures: Figures, assumed: Assumptions, process: str) -> float:
    """Microseconds of a process for one message of the mix: some say new words, some the first."""
    road = figures.road_cpu(process)
    sent = figures.cpu("unary_64_at_once", process)
    extra = assumed.new_wordings_share * max(0.0, figures.cpu("new_wordings", process) - sent)
    extra += assumed.first_words_share * max(0.0, figures.cpu("first_words", process) - sent)
    return road + extra


def stream_cpu(figures: Figures, process: str, poll_seconds: float) -> float:
    """Microseconds a second of a process for one stream that waits.

    It looks every `poll_seconds`, and begins anew, with a new token, when its token ends.
    """
    if process not in WAITED_ON:
        return 0.0
    begun = figures.cpu("attach_again", process) + figures.cpu("token", process)
    return figures.cpu("look", process) / poll_seconds + begun / TOKEN_SECONDS


def kept_bytes_of_message(figures: Figures, assumed: Assumptions) -> dict[str, float]:
    """Bytes that one message a day comes to in each table, kept for its time, and in JetStream."""
    kept = {"jetstream": figures["kept_jetstream"] * (OUTBOX_KEPT_DAYS + 1)}
    for name in figures:
        if not name.startswith("kept_table_"):
            continue
        table = name.removeprefix("kept_table_")
        if table in PASSING_TABLES:
            kept_days = assumed.waiting_days if table == WAITING_TABLE else 0.0
        elif table.startswith("policy."):
            kept_days = VERDICTS_KEPT_DAYS
        elif table in EVENTS_KEPT_TABLES:
            kept_days = OUTBOX_KEPT_DAYS
        elif table in LEDGER_TABLES:
            kept_days = assumed.ledger_kept_days
        elif table == "edge.events":
            kept_days = assumed.edge_events_kept_days
        else:
            kept_days = assumed.messages_kept_days
        kept[table] = figures[name] * kept_days
    return kept


def wire_bytes(figures: Figures) -> tuple[float, float, float]:
    """Bytes of one message from businesses and phones, to them, and inside."""
    inward = outward = inside = 0.0
    for name in figures:
        if not name.startswith("wire_"):
            continue
        outside = name.startswith(("wire_business_", "wire_device_"))
        if not outside:
            inside += figures[name]
        elif name.endswith("_there"):
            inward += figures[name]
        else:
            outward += figures[name]
    return inward, outward, inside


def needs_of(figures: Figures, assumed: Assumptions, messages_day: float) -> Needs:
    """What so many messages a day need."""
    mean = messages_day / DAY_SECONDS
    peak = mean * assumed.peak_over_mean
    people = min(assumed.people_max, messages_day / assumed.messages_of_person_day)
    streams = people * assumed.attached_share
    processes = (*SERVICES, "postgres", "nats")
    bought = 1e6 * assumed.utilisation
    road = {name: peak * message_cpu(figures, assumed, name) / bought for name in processes}
    idle = {
        name: streams * stream_cpu(figures, name, assumed.poll_seconds) / bought
        for name in processes
    }
    # A replica is a Python process and uses one core; policy's has the classifier beside it. Never
    # fewer than two.
    replicas = {name: max(2, math.ceil(road[name] + idle[name])) for name in SERVICES}
    log_rate = peak * figures["kept_log_all"]
    kept = messages_day * sum(kept_bytes_of_message(figures, assumed).values())
    database_cores = road["postgres"] + idle["postgres"]
    nodes = {
        "CPU": math.ceil(database_cores / assumed.node_cores),
        "log": math.ceil(log_rate / assumed.node_log_bytes_s),
        "disk": math.ceil(kept / assumed.node_disk_bytes),
    }
    inward, outward, inside = wire_bytes(figures)
    month_messages = messages_day * MONTH_DAYS
    cores = sum(road.values()) + sum(idle.values())
    # The other copies of the database write and serve nothing, and cost the same.
    cores += database_cores * (assumed.copies - 1)
    return Needs(
        messages_day=messages_day,
        mean_s=mean,
        peak_s=peak,
        people=people,
        streams=streams,
        road_cores=road,
        idle_cores=idle,
        cores=cores,
        replicas=replicas,
        log_bytes_s=log_rate,
        kept_bytes=kept,
        database_nodes=max(nodes.values()),
        database_nodes_for=max(nodes, key=lambda name: nodes[name]),
        jetstream_streams=max(1, math.ceil(peak / assumed.stream_events_s)),
        inward_bits_s=peak * inward * 8,
        outward_bits_s=peak * outward * 8,
        inside_bits_s=peak * inside * 8,
        stream_memory_bytes=streams * figures["stream_memory"] * 1e3,
        core_dollars=cores * assumed.core_hour_dollars * MONTH_HOURS,
        disk_dollars=kept * assumed.copies / 1e9 * assumed.disk_gigabyte_month_dollars,
        outward_dollars=month_messages * outward / 1e9 * assumed.outward_gigabyte_dollars,
    )


def assumptions(assumed: Assumptions) -> dict[str, float]:
    """Name and value of each, in their order."""
    return {field.name: getattr(assumed, field.name) for field in fields(assumed)}
