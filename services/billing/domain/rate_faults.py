"""Owns what speaks against rates and free rules that somebody wants to add."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter

from services.billing.domain.free_rules import RuleRow
from services.billing.domain.markets import MARKETS
from services.billing.domain.money import AMOUNT_MICROS_MAX
from services.billing.domain.rates import Rate, RateKind


class RateFaultKind(StrEnum):
    """In what way a row cannot be added."""

    PRICE = "price"
    IN_THE_PAST = "in_the_past"
    OVERLAPS = "overlaps"
    GAP = "gap"
    MARKET = "market"
    CURRENCY = "currency"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class RateFault:
    """What is wrong with one of several rows."""

    index: int
    kind: RateFaultKind
    description: str


@dataclass(frozen=True, slots=True)
class Span:
    """When a ladder that is there already is in force, unless a later one comes before its end."""

    valid_from_time: datetime
    valid_to_time: datetime | None


def find_rate_faults(
    rates: Sequence[Rate], standing: Mapping[RateKind, Sequence[Span]], now: datetime
) -> list[RateFault]:
    """Everything that speaks against adding `rates` at the time `now`, in their order.

    `standing` has the ladders of the same kinds that are there. A rate that begins with another of
    its kind overlaps it, unless both are added together and the one tier follows the other.
    """
    faults = list(_of_each(rates, now))
    ladders: dict[tuple[RateKind, datetime], list[int]] = defaultdict(list)
    for index, rate in enumerate(rates):
        ladders[rate.kind, rate.valid_from_time].append(index)
    for (kind, begins), indexes in ladders.items():
        taken = any(span.valid_from_time == begins for span in standing.get(kind, ()))
        if taken:
            description = f"another rate for {kind} begins at the same time"
            faults += [RateFault(index, RateFaultKind.OVERLAPS, description) for index in indexes]
        else:
            faults += _of_ladder(rates, indexes)
    for kind in {rate.kind for rate in rates}:
        faults += _of_sequence(rates, kind, standing.get(kind, ()))
    return sorted(faults, key=attrgetter("index"))


def find_rule_faults(
    rules: Sequence[RuleRow], taken: Iterable[tuple[object, datetime]], now: datetime
) -> list[RateFault]:
    """The same for free rules; `taken` has the kinds and beginnings that are there."""
    faults = []
    seen = set(taken)
    for index, rule in enumerate(rules):
        if rule.valid_from_time < now:
            description = f"{rule.kind} would begin in the past, where prices never change"
            faults.append(RateFault(index, RateFaultKind.IN_THE_PAST, description))
        elif (rule.kind, rule.valid_from_time) in seen:
            description = f"another row for {rule.kind} begins at the same time"
            faults.append(RateFault(index, RateFaultKind.OVERLAPS, description))
        seen.add((rule.kind, rule.valid_from_time))
    return faults


def _of_each(rates: Sequence[Rate], now: datetime) -> Iterable[RateFault]:
    for index, rate in enumerate(rates):
        if not 0 <= rate.price.amount_micros <= AMOUNT_MICROS_MAX:
            description = f"the price must be from 0 to {AMOUNT_MICROS_MAX} micros"
            yield RateFault(index, RateFaultKind.PRICE, description)
        if rate.market not in MARKETS.names:
            description = f"{rate.market} is no market: a country's code, a region, or ZZ"
            yield RateFault(index, RateFaultKind.MARKET, description)
        if rate.valid_from_time < now:
            description = f"{rate.kind} would begin in the past, where prices never change"
            yield RateFault(index, RateFaultKind.IN_THE_PAST, description)
        if rate.valid_to_time is not None and rate.valid_to_time <= rate.valid_from_time:
            description = "valid_to must be later than valid_from"
            yield RateFault(index, RateFaultKind.MALFORMED, description)
        if rate.tier_from < 1 or (rate.tier_to is not None and rate.tier_to < rate.tier_from):
            description = "a tier goes from 1 or more to no less than that"
            yield RateFault(index, RateFaultKind.MALFORMED, description)


def _of_ladder(rates: Sequence[Rate], indexes: Sequence[int]) -> Iterable[RateFault]:
    """What is wrong between the tiers of rates of one kind that begin together."""
    rungs = sorted(indexes, key=lambda index: (rates[index].tier_from, index))
    first = rates[rungs[0]]
    if first.tier_from > 1:
        description = f"no tier of {first.kind} is for the units before {first.tier_from}"
        yield RateFault(rungs[0], RateFaultKind.GAP, description)
    for lower_index, index in pairwise(rungs):
        lower, rate = rates[lower_index], rates[index]
        if lower.tier_to is None or rate.tier_from <= lower.tier_to:
            description = (
                f"another rate for {rate.kind} begins at the same time"
                if rate.tier_from == lower.tier_from
                else f"the tier from {lower.tier_from} of {rate.kind} reaches beyond"
                f" {rate.tier_from}, where this one begins"
            )
            yield RateFault(max(lower_index, index), RateFaultKind.OVERLAPS, description)
        elif rate.tier_from > lower.tier_to + 1:
            description = (
                f"no tier of {rate.kind} is for the units from {lower.tier_to + 1}"
                f" to {rate.tier_from - 1}"
            )
            yield RateFault(index, RateFaultKind.GAP, description)
        if rate.valid_to_time != lower.valid_to_time:
            description = f"the tiers of {rate.kind} that begin together end at different times"
            yield RateFault(index, RateFaultKind.OVERLAPS, description)
    last = rates[rungs[-1]]
    if last.tier_to is not None:
        description = f"no tier of {last.kind} is for the units after {last.tier_to}"
        yield RateFault(rungs[-1], RateFaultKind.GAP, description)


def _of_sequence(
    rates: Sequence[Rate], kind: RateKind, standing: Sequence[Span]
) -> Iterable[RateFault]:
    """What is wrong in time between the ladders of one kind, where one of them has an end."""
    spans: dict[datetime, tuple[datetime | None, int | None]] = {
        span.valid_from_time: (span.valid_to_time, None) for span in standing
    }
    for place, rate in enumerate(rates):
        if rate.kind == kind and rate.valid_from_time not in spans:
            spans[rate.valid_from_time] = rate.valid_to_time, place
    for (_, (ends, index)), (next_begins, (_, next_index)) in pairwise(sorted(spans.items())):
        # Of two that stood there before, nothing is the new rates' fault.
        at_fault = next_index if next_index is not None else index
        if ends is None or at_fault is None:
            continue
        if ends > next_begins:
            description = f"two rates for {kind} are in force from {next_begins:%Y-%m-%d %H:%M}"
            yield RateFault(at_fault, RateFaultKind.OVERLAPS, description)
        elif ends < next_begins:
            description = (
                f"{kind} has no price from {ends:%Y-%m-%d %H:%M} to {next_begins:%Y-%m-%d %H:%M}"
            )
            yield RateFault(at_fault, RateFaultKind.GAP, description)
