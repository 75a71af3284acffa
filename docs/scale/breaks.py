"""What breaks first at each power of ten, reasoned from the code, with figures put in."""

from __future__ import annotations

from docs.scale.arithmetic import (
    DAY_SECONDS,
    LEDGER_TABLES,
    TOKEN_SECONDS,
    Assumptions,
    kept_bytes_of_message,
    needs_of,
)
from docs.scale.figures import PROCESSES, Figures
from docs.scale.markdown import amount, number, power, prose

# k8s/base/messaging.yaml, and the most replicas of overlays/production.
MESSAGING_MEMORY_BYTES = 1 << 30
REPLICAS_MAX = 12
ONE_TIME_KEYS = 50  # services/ends/device/registration.py
# A reservation and a capture; a receipt stands beside them.
ENTRIES_OF_MESSAGE = 2


def breaks(figures: Figures, assumed: Assumptions) -> str:
    """Three columns: what, what the design does about it, what of that is not built."""
    at = {decade: needs_of(figures, assumed, 10.0**decade) for decade in range(3, 12)}
    kept = kept_bytes_of_message(figures, assumed)
    ledger_share = sum(kept[name] for name in LEDGER_TABLES) / sum(kept.values())

    def audit_hours(decade: int) -> str:
        entries = 10.0**decade * ENTRIES_OF_MESSAGE * assumed.ledger_kept_days
        return number(entries / figures["ledger_audited_per_s"] / 3600)

    relay_s = 1e6 / figures["relay_cpu"]
    key_messages = figures["api_key_cpu"] / sum(figures.road_cpu(name) for name in PROCESSES)
    messaging_log = figures["kept_log_messaging"] / figures["kept_log_all"]
    account = number(figures["ledger_one_account_256_per_s"])
    tokens_s = at[10].streams / TOKEN_SECONDS
    rows = [
        (
            "10³, 10⁴",
            f"Nothing by load ({number(at[4].cores)} cores). One machine: what ends it ends all.",
            "Two of each service or more, three databases and three NATS (`overlays/production`); "
            "every replica can be rolled under load.",
            "Codes for new phones are printed, not sent: no sender to real phones.",
        ),
        (
            power(5),
            f"Phones that only wait: {number(at[5].streams)} streams take "
            f"{amount(at[5].stream_memory_bytes, 'B')}, more than one replica of messaging may "
            f"have ({amount(MESSAGING_MEMORY_BYTES, 'B')}), while messages want "
            f"{number(at[5].road_cores['messaging'])} of a core.",
            "Any replica serves any stream; wake-ups find it. More replicas: messaging's "
            "autoscaler looks at memory too.",
            "What refuses a phone at the door of a replica that is full meanwhile.",
        ),
        (
            power(6),
            f"The same, {number(at[6].stream_memory_bytes / MESSAGING_MEMORY_BYTES)} replicas by "
            "memory; and no phone's system lets a program hold a stream all day.",
            "The mailbox keeps, a stream is there while the program is.",
            "Push by the makers of phones, to wake a program that is not attached.",
        ),
        (
            power(7),
            "What is only added to. The audit reads the whole ledger every night: after "
            f"{number(assumed.ledger_kept_days)} days {audit_hours(6)} h at 10⁶, "
            f"{audit_hours(7)} h here. And as many rows of messages are swept as come.",
            "An invoice closes a month, and no entry enters it again: closed months can be summed "
            "once and moved. Keys lead with business or person. Messages, verdicts and events are "
            "swept after their time, in batches, by every replica.",
            "Partitions by month, which are dropped and not swept; an audit that begins at a "
            "closed month.",
        ),
        (
            power(8),
            f"Sessions. Each of {number(at[8].replicas['edge'])} replicas of the edge seals in "
            f"sessions of its own, so that a business whose calls go round them begins one with "
            f"each phone for each replica: a claim of a key (a phone leaves {ONE_TIME_KEYS}), and "
            f"{number(_first_words(figures))} times the CPU of a send.",
            "Replicas have names that stay; a session is begun once.",
            "A gateway that sends a business to one replica (hash of its id), and moves it when "
            "that one goes.",
        ),
        (
            power(9),
            f"One database, one outbox, one relay, one stream for each service. The relay is one "
            f"process, at the end of its core ({number(figures['relay_cpu'])} µs an event, so at "
            f"most {number(relay_s)} events/s, and {number(at[9].peak_s)} come). The log "
            f"({amount(at[9].log_bytes_s, 'B/s')}, {messaging_log:.0%} of it messaging's) is a "
            f"node's limit. Also the autoscaler's {REPLICAS_MAX} replicas.",
            "Messaging's tables lead with the person, billing's and the edge's with the business: "
            f"each splits by a hash into {number(at[9].jetstream_streams)} shards or more, each a "
            "database with its own outbox, relay and stream. Nothing joins across: a batch goes "
            "to as many shards as it has keys.",
            "Choosing the shard (in messaging's and billing's clients, or a distributed "
            "PostgreSQL), and moving one. `GetMessage` names no person: it would ask all shards.",
        ),
        (
            power(10),
            f"What everybody must know. {number(at[10].streams)} streams are as many NATS "
            f"subscriptions, which every server of one cluster holds; identity gives "
            f"{number(tokens_s)} tokens a second, since a stream ends with its token.",
            "A wake-up may be lost, so NATS may be one cluster for each shard. Tokens are verified "
            "without asking; people and ends have their own keys, which split too.",
            "A shard in the wake-up's subject; longer tokens for phones; identity in shards.",
        ),
        (
            power(11),
            f"Nothing new, everything {number(at[11].peak_s / at[9].peak_s)} times 10⁹: "
            f"{number(at[11].database_nodes)} database nodes, "
            f"{amount(at[11].kept_bytes, 'B')} of one copy, {ledger_share:.0%} of it the "
            "ledger. The whole must not fail as one.",
            "Shards of some 10⁹ a day each, with their databases, NATS and replicas, that fail "
            "alone; old months on cheaper disk.",
            "All of it. Nor was it ever tried beyond one machine.",
        ),
    ]
    note = (
        f"A single business: its account is one row, held by each batch until it commits. "
        f"Measured, {account} reservations a second on one account (batches of up to a thousand); "
        f"its cursor at the edge is such a row too. "
        f"A whole day's {power(9)} would be {number(1e9 / DAY_SECONDS)}. An API key that a "
        f"replica of identity has not met yet costs as much as {number(key_messages)} messages, "
        f"right or wrong; one that was proven there once costs next to nothing."
    )
    header = ("a day", "breaks first", "what the design does", "not built")
    return prose(header, rows) + "\n\n" + note


def _first_words(figures: Figures) -> float:
    names = ("edge", "identity", "postgres")
    first = sum(figures.cpu("first_words", name) for name in names)
    return first / sum(figures.cpu("unary_64_at_once", name) for name in names)
