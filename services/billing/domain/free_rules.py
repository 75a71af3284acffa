"""Owns what is free: which rules are in force for a channel and currency at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Final, NamedTuple

from services.billing.domain.rates import Channel

# A business that answers later than this after the person came by its link, opens nothing.
ENTRY_POINT_ANSWERED_WITHIN: Final = timedelta(hours=24)


class FreeRule(StrEnum):
    """Why a message is free."""

    REPLY = "reply"
    ENTRY_POINT = "entry_point"
    ALLOWANCE = "allowance"


class RuleKind(NamedTuple):
    """What a rule is for. Of each kind one row is in force at a time."""

    rule: FreeRule
    channel: Channel
    currency_code: str

    def __str__(self) -> str:
        """For people: "free reply by app in USD"."""
        return f"free {self.rule} by {self.channel} in {self.currency_code}"


@dataclass(frozen=True, slots=True)
class RuleRow:
    """How much of a rule holds from `valid_from_time` on, until the next row of its kind.

    `amount` is 1 for replies, hours for an entry point, messages a month for the allowance; 0
    switches the rule off.
    """

    rule: FreeRule
    channel: Channel
    currency_code: str
    amount: int
    valid_from_time: datetime
    rule_id: int = 0  # its number in the database; 0 before it has one

    @property
    def kind(self) -> RuleKind:
        """What it is for."""
        return RuleKind(self.rule, self.channel, self.currency_code)


class RulesInForce(NamedTuple):
    """The free rules of one channel and currency at one time."""

    reply: bool
    entry_point_hours: int
    allowance_messages: int


# What holds where no row says anything.
_UNSAID: Final = {Channel.APP: RulesInForce(reply=True, entry_point_hours=0, allowance_messages=0)}
_NOTHING_FREE: Final = RulesInForce(reply=False, entry_point_hours=0, allowance_messages=0)


@dataclass(slots=True)
class FreeRules:
    """Every row there is. It grows, and what it says of a time that has passed never changes."""

    newest_rule_id: int = 0
    _rows: dict[RuleKind, list[RuleRow]] = field(default_factory=dict)

    def add(self, rows: Iterable[RuleRow]) -> None:
        """Take in rows in the order of their numbers; those that it has are passed over."""
        for row in rows:
            if row.rule_id <= self.newest_rule_id:
                continue
            known = self._rows.setdefault(row.kind, [])
            known.append(row)
            known.sort(key=attrgetter("valid_from_time"))
            self.newest_rule_id = row.rule_id

    def find(self, channel: Channel, currency_code: str, at: datetime) -> RulesInForce:
        """The rules in force."""
        unsaid = _UNSAID.get(channel, _NOTHING_FREE)
        if not self._rows:
            return unsaid

        def amount(rule: FreeRule, otherwise: int) -> int:
            rows = self._rows.get(RuleKind(rule, channel, currency_code), [])
            begun = bisect_right(rows, at, key=attrgetter("valid_from_time"))
            return rows[begun - 1].amount if begun else otherwise

        return RulesInForce(
            reply=bool(amount(FreeRule.REPLY, unsaid.reply)),
            entry_point_hours=amount(FreeRule.ENTRY_POINT, unsaid.entry_point_hours),
            allowance_messages=amount(FreeRule.ALLOWANCE, unsaid.allowance_messages),
        )


def entry_point_open(
    came: datetime | None, answered: datetime | None, hours: int, now: datetime
) -> bool:
    """Whether a message is free because the person came by the business's link.

    `came` is when, `answered` when the business last answered a person who had so come: before
    `came`, or None, if the message at hand is the answer. An answer within 24 hours opens `hours`
    hours, which a new coming does not end. Clocks of those who say so may be ahead of `now`.
    """
    if came is None or not hours:
        return False
    last_answer_time = came + ENTRY_POINT_ANSWERED_WITHIN
    if answered is None:
        return now <= last_answer_time
    is_open = answered <= last_answer_time and now < answered + timedelta(hours=hours)
    return is_open or (answered < came and now <= last_answer_time)
