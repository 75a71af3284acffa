"""The tables of docs/scale.md that say what the simulation answered."""

from __future__ import annotations

from docs.scale.claims import (
    COMMIT_CPU_SECONDS,
    FLUSH_SECONDS,
    PHONES,
    REPLICAS_LEFT,
    STREAMS,
    UTILISATION,
    Answers,
)
from docs.scale.figures import Figures
from docs.scale.markdown import number, prose, table
from docs.scale.storms import CONNECT_SECONDS_MAX, RETURN_SECONDS


def checked(figures: Figures, answers: Answers) -> str:
    """Simulated beside measured."""
    load = answers.measured_load
    pairs = [
        ("64 at once: messages/s", load.rate, figures["send_unary_c64_per_s"]),
        ("64 at once: median, ms", load.p50_ms, figures["send_unary_c64_p50_ms"]),
    ]
    pairs.append(
        ("64 at once: p99, ms", load.p99_ms, figures["send_unary_c64_p99_ms"]),
    )
    pairs += [
        (
            f"one account, 64 callers with {items} each: reservations/s",
            rate,
            figures[f"ledger_one_account_{items}_per_s"],
        )
        for items, rate in answers.accounts.items()
    ]
    rows = [[name, number(said), number(was), number(said / was)] for name, said, was in pairs]
    return table(("", "simulated", "measured", "ratio"), rows)


def loads(_figures: Figures, answers: Answers) -> str:
    """Latency by load."""
    rows = [
        [
            f"{load:.0%}",
            number(ran.rate),
            number(ran.batch_items),
            number(ran.p50_ms),
            number(ran.p99_ms),
        ]
        for load, ran in answers.loads.items()
    ]
    note = (
        f"Full is {number(answers.full.rate)} messages/s, where the {answers.full.busiest} is busy "
        f"{answers.full.utilisation:.0%} of the time."
    )
    header = ("load", "messages/s", "in a batch of the edge", "median, ms", "p99, ms")
    return table(header, rows) + "\n\n" + note


def storms(_figures: Figures, answers: Answers) -> str:
    """Claims, and what the simulation says of each."""
    outages = ", ".join(
        f"{number(one.recovered_seconds)} s at {load:.0%}" for load, one in answers.outages.items()
    )
    wasted = max(one.served_of_message for one in answers.outages.values())
    impatient = answers.impatient
    returns = ", ".join(
        f"{phones:,} in {_drained(one.drained_seconds)}" for phones, one in answers.returns.items()
    )
    commits = ", ".join(
        f"{number(rate)}/s with {sessions}" for sessions, rate in answers.commits.items()
    )
    rows = [
        (
            "Retries as published do not keep an overload alive.",
            f"After 5 s away all is on time again within {outages} of what can be done, "
            f"for {wasted:.0%} of the work that the answers needed.",
        ),
        (
            "It is the manners that do it.",
            "With a second of patience, again after half a one, and no withdrawing, at "
            f"{min(answers.outages):.0%}: {impatient.answered_share:.0%} answered, each worked on "
            f"{number(impatient.served_of_message)} times, and it never ends.",
        ),
        (
            f"Phones of a replica that ends come back to {REPLICAS_LEFT} others that are "
            f"{UTILISATION:.0%} busy.",
            f"{returns}. Beyond about {number(answers.phones_max)} connections are given up "
            f"(after {number(CONNECT_SECONDS_MAX)} s) before they are made, and work is done "
            "twice.",
        ),
        (
            "What came back together and ends together is no second storm.",
            f"Of {PHONES[1]:,} phones, when their tokens end: p99 of beginning anew "
            f"{number(answers.tokens_end_p99_ms)} ms, over connections that are there. When their "
            f"connections end, for which gRPC gives each its own time: "
            f"{number(answers.connections_end_p99_ms)} ms.",
        ),
        (
            "Looks of streams that nobody woke, all at one moment, hold up nobody.",
            f"With {STREAMS:,} streams p99 of an acceptance is {number(answers.looks_at_once_ms)} "
            f"ms, and {number(answers.looks_apart_ms)} ms with looks spread evenly: they go in "
            "batches, and others between them.",
        ),
        (
            "Commits share flushes.",
            f"With {number(FLUSH_SECONDS * 1e3)} ms a flush and "
            f"{number(COMMIT_CPU_SECONDS * 1e3)} ms of CPU: {commits} sessions. The disk's wait "
            "limits few sessions, and the CPU many; the pools of "
            "services have eight connections each.",
        ),
    ]
    return prose(("claim", "the simulation"), rows)


def _drained(seconds: float) -> str:
    return f"more than {number(seconds)} s" if seconds >= RETURN_SECONDS else f"{number(seconds)} s"
