"""Owns the looking up of prices: every rate, and every free rule, that there is."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from services.billing.domain.free_rules import FreeRules, RuleRow, RulesInForce
from services.billing.domain.markets import MARKETS
from services.billing.domain.rates import EVERYWHERE, Category, Channel, Rate, RateKind


@dataclass(slots=True)
class Ladder:
    """The rates of one kind that begin together, by tier."""

    valid_from_time: datetime
    valid_to_time: datetime | None
    rungs: list[Rate] = field(default_factory=list)

    @property
    def has_tiers(self) -> bool:
        """Whether volume matters."""
        return len(self.rungs) > 1

    def rung(self, number: int) -> Rate | None:
        """The rate of the month's unit of this number, which counts from 1."""
        begun = bisect_right(self.rungs, number, key=attrgetter("tier_from"))
        if not begun:
            return None
        rate = self.rungs[begun - 1]
        return rate if rate.tier_to is None or number <= rate.tier_to else None


class RateCard:
    """Every rate and rule. It grows, and what it says of a time that has passed never changes."""

    def __init__(self) -> None:
        self._ladders: dict[RateKind, list[Ladder]] = {}
        self._rules = FreeRules()
        self.newest_rate_id = 0
        # The currencies in which what was used before may change a price.
        self.counting_currencies: set[str] = set()

    @property
    def newest_rule_id(self) -> int:
        """The number of the newest free rule."""
        return self._rules.newest_rule_id

    def add(self, rates: Iterable[Rate], rules: Iterable[RuleRow] = ()) -> None:
        """Take in what is new, in the order of its numbers; what it has is passed over."""
        for rate in rates:
            if rate.rate_id <= self.newest_rate_id:
                continue
            self._add_rung(rate)
            self.newest_rate_id = rate.rate_id
        rules = list(rules)
        self._rules.add(rules)
        self.counting_currencies.update(rule.currency_code for rule in rules)

    def find(
        self,
        category: Category,
        country_code: str,
        currency_code: str,
        at: datetime,
        channel: Channel = Channel.APP,
    ) -> Ladder | None:
        """The ladder in force: the country's own, else its region's, else that for everywhere."""
        for market in (country_code, MARKETS.region_of(country_code, at), EVERYWHERE):
            if market is None:
                continue
            ladders = self._ladders.get(RateKind(category, market, currency_code, channel))
            if ladders is None:
                continue
            begun = bisect_right(ladders, at, key=attrgetter("valid_from_time"))
            if begun:
                ladder = ladders[begun - 1]
                if ladder.valid_to_time is None or at < ladder.valid_to_time:
                    return ladder
        return None

    def rules(self, channel: Channel, currency_code: str, at: datetime) -> RulesInForce:
        """The free rules in force."""
        return self._rules.find(channel, currency_code, at)

    def _add_rung(self, rate: Rate) -> None:
        ladders = self._ladders.setdefault(rate.kind, [])
        at = bisect_right(ladders, rate.valid_from_time, key=attrgetter("valid_from_time"))
        if at and ladders[at - 1].valid_from_time == rate.valid_from_time:
            ladder = ladders[at - 1]
        else:
            ladder = Ladder(rate.valid_from_time, rate.valid_to_time)
            ladders.insert(at, ladder)
        insort(ladder.rungs, rate, key=attrgetter("tier_from"))
        if ladder.has_tiers:
            self.counting_currencies.add(rate.price.currency_code)
