"""What a model is held to (`limits.toml`), and whether what was measured of it keeps to that."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ml.evaluation.reached import Reached
from ml.measuring import COURTESIES
from ml.report import ALL, Lost, Report

_FILE = Path(__file__).with_name("limits.toml")
_NOTHING = Reached({})


@dataclass(frozen=True, slots=True)
class Check:
    """One figure held against its limit."""

    what: str
    group: str  # a language, or ALL
    count: int  # messages that say so; none where it is no share of messages
    figure: float
    low: float  # the 95% interval, where it is a share
    high: float
    limit: float
    under: bool  # the limit is to be stayed under; otherwise reached
    held: bool
    known: str = ""  # why it need not be held yet, where it is not

    @property
    def refuses(self) -> bool:
        """Whether a release is refused for it."""
        return not self.held and not self.known

    @property
    def is_share(self) -> bool:
        """Whether it is a share of messages, and not a time or a size."""
        return self.count > 0


@cache
def limits() -> dict[str, Any]:
    """The tables of the file."""
    return tomllib.loads(_FILE.read_text())


def checks(report: Report, reached: Reached = _NOTHING) -> list[Check]:
    """Every limit that this report tells something about, by language.

    What is beyond a limit is known where it is not beyond doubt worse than what was `reached`.
    """
    lost = [check_of(lost, reached) for lost in report.attacks]
    return [*_stopped(report, reached), *lost, *_named(report, reached)]


def check_of(lost: Lost, reached: Reached = _NOTHING) -> Check:
    """What an attack lets through, against its limit."""
    friendly = lost.attack in COURTESIES
    return _of_share(
        f"lost to {lost.attack}", lost.group, lost.count, (lost.lost, lost.low, lost.high),
        limits()["lost_under"]["friendly" if friendly else "disguise"], reached, under=True,
        count_min="attacked_min",
    )  # fmt: skip


def cost_checks(costs: dict[str, float]) -> list[Check]:
    """What judging costs, by the names of `cost_under`."""
    return [
        Check(name.replace("_", " "), ALL, 0, figure, figure, figure, limit, under=True,
              held=figure < limit)
        for name, figure in costs.items()
        for limit in (float(limits()["cost_under"][name]),)
    ]  # fmt: skip


def _stopped(report: Report, reached: Reached) -> Iterator[Check]:
    most, least = limits()["stopped_under"], limits()["stopped_least"]
    for share in report.by_language:
        for table, under in ((most, True), (least, False)):
            if share.label in table:
                yield _of_share(
                    f"{share.label} stopped", share.group, share.count,
                    (share.share, share.low, share.high), table[share.label], reached,
                    under=under,
                )  # fmt: skip


def _named(report: Report, reached: Reached) -> Iterator[Check]:
    for named in report.explanations:
        yield _of_share(
            "explanations that name what decided", named.group, named.count,
            (named.share, named.low, named.high), limits()["named_least"]["share"], reached,
            under=False,
        )  # fmt: skip


def _of_share(
    what: str, group: str, count: int, measured: tuple[float, float, float], limit: float,
    reached: Reached, *, under: bool, count_min: str = "messages_min",
) -> Check:  # fmt: skip
    figure, low, high = measured
    few = count < limits()["evidence"][count_min]

    def keeps(bound: float, *, in_doubt: bool) -> bool:
        if under:
            return (low if in_doubt else figure) < bound
        return (high if in_doubt else figure) >= bound

    held, known = keeps(limit, in_doubt=few), ""
    before = reached.figures.get((what, group))
    if not held and before is not None and keeps(before, in_doubt=True):
        known = reached.reason or _reason(what)
    return Check(what, group, count, figure, low, high, limit, under, held, known)


def _reason(what: str) -> str:
    reasons = [one["reason"] for one in limits()["reasons"] if what in one["what"]]
    return "".join(reasons) or "the released model does not reach it either"
