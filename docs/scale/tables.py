"""The tables of docs/scale.md that say what was measured and what follows from it."""

from __future__ import annotations

from typing import Final

from docs.scale import arithmetic
from docs.scale.arithmetic import DECADES, Assumptions, Needs, needs_of
from docs.scale.figures import PROCESSES, SERVICES, Figures
from docs.scale.markdown import amount, number, power, prose, table

# --- Measured -------------------------------------------------------------------------------------


def cpu(figures: Figures) -> str:
    """CPU of each process for a message, by how it is sent, and for its delivery."""
    stages = ("unary_1_at_once", "unary_64_at_once", "stream_of_many", "delivery")
    rows = [
        [name, *(number(figures.cpu(stage, name)) for stage in stages), number(road)]
        for name in PROCESSES
        if (road := figures.road_cpu(name)) >= 1
    ]
    sums = [sum(figures.cpu(stage, name) for name in PROCESSES) for stage in stages]
    road = sum(figures.road_cpu(name) for name in PROCESSES)
    rows.append(["**all**", *(f"**{number(value)}**" for value in (*sums, road))])
    header = ("µs", "sent alone", "64 at once", "a stream of many", "delivery", "64 + delivery")
    return table(header, rows)


def share(figures: Figures) -> str:
    """Where a message's CPU goes."""
    title = "title CPU of one message in µs (64 at once, and delivery)"
    lines = ["```mermaid", "pie showData", f"    {title}"]
    lines += [
        f'    "{name}" : {road:.0f}' for name in PROCESSES if (road := figures.road_cpu(name)) >= 10
    ]
    return "\n".join([*lines, "```"])


def beside(figures: Figures) -> str:
    """What is paid besides."""
    stages = (
        ("first_words", "the first message to a person (keys claimed, session begun), sending"),
        ("new_wordings", "free words that the classifier has not read, sending"),
        ("attach", "a phone that connects and attaches (TLS, token, stream)"),
        ("attach_again", "the same over its old connection"),
        ("token", "a new token for a phone"),
        ("look", "a look into an empty mailbox"),
    )
    shown = ("edge", "policy", "messaging", "identity", "postgres")
    rows = [[text, *(number(figures.cpu(name, one)) for one in shown)] for name, text in stages]
    key = number(figures["api_key_cpu"])
    rows.append(["an API key proven for the first time (argon2id)", "", "", "", key, ""])
    note = (
        f"A stream that waits takes {amount(figures['stream_memory'] * 1e3, 'B')} of messaging. "
        f"The relay's leader takes {number(figures['relay_cpu'])} µs for an event."
    )
    return table(("µs", *shown), rows) + "\n\n" + note


_HOPS: Final = (
    ("business", "edge"),
    ("edge", "policy"),
    ("edge", "messaging"),
    ("messaging", "billing"),
    ("device", "messaging"),
    ("edge", "postgres"),
    ("policy", "postgres"),
    ("messaging", "postgres"),
    ("billing", "postgres"),
    ("messaging", "nats"),
    ("billing", "nats"),
    ("policy", "nats"),
    ("edge", "nats"),
)


def wire(figures: Figures) -> str:
    """Bytes on each connection."""
    rows = []
    for caller, peer in _HOPS:
        there, back = (
            figures[f"wire_{caller}_{peer}_{direction}"] for direction in ("there", "back")
        )
        rows.append([f"{caller} → {peer}", number(there), number(back)])
    inward, outward, inside = arithmetic.wire_bytes(figures)
    note = (
        f"In all {number(inward)} bytes in from outside, {number(outward)} out, "
        f"{number(inside)} inside."
    )
    return table(("bytes", "there", "back"), rows) + "\n\n" + note


def kept(figures: Figures) -> str:
    """Bytes in tables, of log, and commits."""
    rows = []
    for service in SERVICES:
        found = {
            name.rpartition(".")[2]: value
            for name, value in figures.items()
            if name.startswith(f"kept_table_{service}.") and value >= 5
        }
        if not found:
            continue
        listed = ", ".join(f"`{name}` {number(value)}" for name, value in found.items())
        log, commits = figures[f"kept_log_{service}"], figures[f"kept_commits_{service}"]
        rows.append([service, listed, number(log), number(commits)])
    log, stored = figures["kept_log_all"], figures["kept_jetstream"]
    note = (
        f"In all {number(log)} bytes of log; {number(stored)} bytes in JetStream, for each of its "
        f"copies."
    )
    header = ("database", "bytes in tables and their indexes", "bytes of log", "commits")
    return prose(header, rows) + "\n\n" + note


# --- Computed -------------------------------------------------------------------------------------

_WHY: Final = {
    "peak_over_mean": ("×", "the busiest hour over the mean of the day"),
    "utilisation": ("", "how much of what was bought the busiest hour uses"),
    "messages_of_person_day": ("", "messages a person gets a day, until all people are there"),
    "people_max": ("people", "the 1.5 billion"),
    "attached_share": ("", "phones attached in the busiest hour"),
    "poll_seconds": ("s", "how often a stream looks that nobody wakes (the default)"),
    "new_wordings_share": ("", "of all messages: words that the classifier has not read"),
    "first_words_share": ("", "of all messages: no session yet with this replica of the edge"),
    "messages_kept_days": ("days", "messages (the default)"),
    "edge_events_kept_days": ("days", "the edge's events (the default)"),
    "ledger_kept_days": ("days", "ledger entries and receipts on a database's disk"),
    "waiting_days": ("days", "a day's share of envelopes that wait for phones that are off"),
    "node_cores": ("cores", "one database node"),
    "node_log_bytes_s": ("B/s", "its log"),
    "node_disk_bytes": ("B", "its disk"),
    "copies": ("×", "copies of every database"),
    "stream_events_s": ("events/s", "one JetStream stream that is kept three times"),
    "core_hour_dollars": ("$/h", "a core with its memory"),
    "disk_gigabyte_month_dollars": ("$/GB/month", "disk of a database"),
    "outward_gigabyte_dollars": ("$/GB", "to the internet"),
}


def assumptions(_figures: Figures, assumed: Assumptions) -> str:
    """Each assumption with its value."""
    rows = []
    for name, value in arithmetic.assumptions(assumed).items():
        unit, why = _WHY[name]
        told = amount(value, unit) if value >= 1e4 and unit != "people" else None
        rows.append([why, told or f"{number(value)} {unit}".strip()])
    return table(("assumed", "value"), rows)


def _all(figures: Figures, assumed: Assumptions) -> list[tuple[int, Needs]]:
    return [(decade, needs_of(figures, assumed, 10.0**decade)) for decade in DECADES]


def needs(figures: Figures, assumed: Assumptions) -> str:
    """The load at each power of ten."""
    header = (
        "messages a day",
        "busiest, /s",
        "people",
        "streams",
        "their memory",
        "log, all",
        "on disk, one copy",
        "in",
        "out",
        "inside",
    )
    rows = [
        [
            power(decade),
            number(need.peak_s),
            amount(need.people, "").strip(),
            amount(need.streams, "").strip(),
            amount(need.stream_memory_bytes, "B"),
            amount(need.log_bytes_s, "B/s"),
            amount(need.kept_bytes, "B"),
            amount(need.inward_bits_s, "b/s"),
            amount(need.outward_bits_s, "b/s"),
            amount(need.inside_bits_s, "b/s"),
        ]
        for decade, need in _all(figures, assumed)
    ]
    return table(header, rows)


def machines(figures: Figures, assumed: Assumptions) -> str:
    """Replicas, nodes and streams at each power of ten."""
    header = (
        "messages a day",
        *SERVICES,
        "cores, all",
        "of them for phones that wait",
        "database nodes",
        "JetStream streams",
    )
    rows = [
        [
            power(decade),
            *(number(need.replicas[name]) for name in SERVICES),
            number(need.cores),
            f"{sum(need.idle_cores.values()) / need.cores:.0%}",
            f"{number(need.database_nodes)} ({need.database_nodes_for})"
            if need.database_nodes > 1
            else "1",
            number(need.jetstream_streams),
        ]
        for decade, need in _all(figures, assumed)
    ]
    return table(header, rows)


def money(figures: Figures, assumed: Assumptions) -> str:
    """Dollars a month at each power of ten."""
    header = ("messages a day", "cores", "disk", "to the internet", "all, $ a month", "$ a million")
    rows = [
        [
            power(decade),
            number(need.core_dollars),
            number(need.disk_dollars),
            number(need.outward_dollars),
            number(need.dollars),
            number(need.dollars_of_million),
        ]
        for decade, need in _all(figures, assumed)
        if decade >= 6
    ]
    return table(header, rows)
