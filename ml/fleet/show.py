"""How models, replicas, changes and shadows look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table

from ml.fleet.data import name_of

CONFIGURED = "configured"
_BARS = " ▁▂▃▄▅▆▇█"


def models(found: Iterable[Any]) -> Table:
    """The models that were uploaded."""
    table = _table("Models", "version", "now", "trained", "languages", "size", "uploaded")
    for model in found:
        table.add_row(
            model.version,
            name_of(model, "state"),
            _time(model.train_time),
            " ".join(model.language_codes),
            f"{model.size_bytes / 1e6:.1f} MB",
            _time(model.create_time),
        )
    return table


def replicas(found: Iterable[Any], live_version: str) -> Table:
    """Which process runs which model."""
    live = live_version or CONFIGURED
    table = _table(f"Replicas; live is {live}", "replica", "decides", "in shadow", "trouble")
    for replica in found:
        table.add_row(
            replica.host,
            replica.live_version,
            replica.shadow_version or "–",
            "; ".join(f"{each.version}: {each.message}" for each in replica.refusals) or "–",
        )
    return table


def changes(found: Iterable[Any]) -> Table:
    """What was done, by whom and when."""
    table = _table("History", "when", "what", "model", "before", "who", "note")
    for change in found:
        is_switch = name_of(change, "kind") in ("promoted", "rolled_back")
        table.add_row(
            _time(change.create_time),
            name_of(change, "kind").replace("_", " "),
            change.version or CONFIGURED,
            (change.previous_version or CONFIGURED) if is_switch else "",
            change.operator,
            "; ".join(filter(None, (change.note, change.detail))),
        )
    return table


def decisions(report: Any) -> Table:
    """What both models decided, by language and use."""
    table = _table(
        f"{report.version} in shadow of {report.live_version or CONFIGURED}",
        "language", "use", "messages", "both allow", "both stop", "only live stops",
        "only shadow stops",
    )  # fmt: skip
    for each in report.decisions:
        counts = (
            each.both_allowed_count,
            each.both_blocked_count,
            each.live_blocked_count,
            each.shadow_blocked_count,
        )
        whole = sum(counts)
        shares = [f"{count:,} ({count / whole:.1%})" for count in counts]
        table.add_row(each.language_code, each.use, f"{whole:,}", *shares)
    return table


def scores(report: Any) -> Table:
    """How the probabilities lie: a bar for each twentieth, of the live model and of the other."""
    table = _table("Scores, from 0 to 1", "language", "class", "live", "shadow")
    for each in report.scores:
        table.add_row(
            each.language_code,
            name_of(each, "label"),
            _bars(each.live_counts),
            _bars(each.shadow_counts),
        )
    return table


def disagreements(found: Iterable[Any]) -> Table:
    """Messages that the two models decided otherwise about."""
    table = _table("Decided otherwise", "screened", "message", "business", "language", "use",
                   "live", "shadow")  # fmt: skip
    for each in found:
        table.add_row(
            _time(each.screen_time),
            each.message_id,
            each.business_id,
            each.language_code,
            each.use,
            "stops" if each.live_blocked else "allows",
            "stops" if each.shadow_blocked else "allows",
        )
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)


def _bars(counts: Iterable[int]) -> str:
    """The share of each bin; what is there at all is seen."""
    numbers = list(counts)
    most = max([*numbers, 1])
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in numbers)


def _time(stamp: Timestamp) -> str:
    return f"{stamp.ToDatetime():%Y-%m-%d %H:%M:%S}"
