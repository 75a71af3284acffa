"""Owns the forms of statements on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hudhud.billing.v1 import account_pb2, billing_service_pb2, statement_pb2
from hudhud.clearance.v1 import clearance_pb2
from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import EntryType
from services.billing.domain.money import Money
from services.billing.domain.rates import Category, Channel
from services.billing.domain.statements import (
    Balance,
    Movement,
    MovementKey,
    Point,
    SeriesKey,
    Statement,
)
from services.billing.wire import money
from services.kit import rules
from services.kit.errors import Violation

_TYPES: Final = {account_pb2.Entry.Type.Value(f"TYPE_{each.name}"): each for each in EntryType}
_CHANNELS: Final = {account_pb2.Channel.Value(f"CHANNEL_{each.name}"): each for each in Channel}
_CATEGORIES: Final = {
    clearance_pb2.Category.Value(f"CATEGORY_{each.name}"): each
    for each in Category
    if each is each.cleared
}
_FREE_RULES: Final = {
    account_pb2.FreeRule.Value(f"FREE_RULE_{each.name}"): each for each in FreeRule
}
_TYPE_NUMBERS: Final = {each: number for number, each in _TYPES.items()}
_CATEGORY_NUMBERS: Final = {each: number for number, each in _CATEGORIES.items()}
_FREE_RULE_NUMBERS: Final = {each: number for number, each in _FREE_RULES.items()}


def read_movement_key(key: statement_pb2.MovementKey) -> MovementKey:
    """The key of a line; refuses with INVALID_FIELD one that no line has."""
    if key.type not in _TYPES:
        raise rules.refusal([Violation("movement.type", "is required")])
    category = _CATEGORIES.get(key.category)
    if key.international:
        if category is not Category.AUTHENTICATION:
            raise rules.refusal([Violation("movement.international", "is for authentication only")])
        category = Category.AUTHENTICATION_INTERNATIONAL
    return MovementKey(
        _TYPES[key.type],
        category,
        _CHANNELS.get(key.channel),
        key.market or None,
        _FREE_RULES.get(key.free_rule),
    )


def read_filter(
    request: billing_service_pb2.ListEntriesRequest,
) -> tuple[tuple[str, str] | None, MovementKey | None]:
    """The days and the line of a statement that entries are asked for; refuses with
    INVALID_FIELD one without the other.
    """
    key = read_movement_key(request.movement) if request.HasField("movement") else None
    days = (request.first_day, request.last_day)
    if all(days):
        return days, key
    if any(days) or key:
        missing = "last_day" if request.first_day else "first_day"
        raise rules.refusal([Violation(missing, "is required with the other day or a movement")])
    return None, None


def statement(value: Statement) -> statement_pb2.Statement:
    """The form of a statement."""
    currency = value.currency_code
    return statement_pb2.Statement(
        business_id=str(value.business_id),
        time_zone=value.period.time_zone,
        first_day=value.period.first.isoformat(),
        last_day=value.period.last.isoformat(),
        start_time=value.period.start_time,
        end_time=value.period.end_time,
        opening=_balance(value.opening, currency),
        movements=[_movement(each, currency) for each in value.movements],
        closing=_balance(value.closing, currency),
    )


def series(
    key: SeriesKey, points: Sequence[Point], currency_code: str
) -> statement_pb2.UsageSeries:
    """The form of one kind of message over a period."""
    return statement_pb2.UsageSeries(
        category=_CATEGORY_NUMBERS[key.category.cleared],
        international=key.category is Category.AUTHENTICATION_INTERNATIONAL,
        channel=_channel(key.channel),
        market=key.market or "",
        points=[
            statement_pb2.UsagePoint(
                day=point.day.isoformat(),
                messages=point.messages,
                units=point.units,
                amount=money(Money(currency_code, point.charged)),
            )
            for point in points
        ],
    )


def _balance(value: Balance, currency_code: str) -> statement_pb2.Balance:
    return statement_pb2.Balance(
        available=money(Money(currency_code, value.available)),
        reserved=money(Money(currency_code, value.reserved)),
        owed=money(Money(currency_code, -value.receivable)),
        total=money(Money(currency_code, value.total)),
    )


def _movement(value: Movement, currency_code: str) -> statement_pb2.Movement:
    return statement_pb2.Movement(
        key=movement_key(value.key),
        entry_count=value.entry_count,
        units=value.units,
        amount=money(Money(currency_code, value.amount)),
        change=money(Money(currency_code, value.change)),
    )


def movement_key(value: MovementKey) -> statement_pb2.MovementKey:
    """The form of the key of a line."""
    return statement_pb2.MovementKey(
        type=_TYPE_NUMBERS[value.type],
        category=(
            _CATEGORY_NUMBERS[value.category.cleared]
            if value.category
            else clearance_pb2.CATEGORY_UNSPECIFIED
        ),
        international=value.category is Category.AUTHENTICATION_INTERNATIONAL,
        channel=_channel(value.channel),
        market=value.market or "",
        free_rule=(
            _FREE_RULE_NUMBERS[value.free_rule]
            if value.free_rule
            else account_pb2.FREE_RULE_UNSPECIFIED
        ),
    )


def _channel(channel: Channel | None) -> Any:
    name = channel.name if channel else "UNSPECIFIED"
    return account_pb2.Channel.Value(f"CHANNEL_{name}")
