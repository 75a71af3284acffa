"""Owns the forms of billing's values on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from hudhud.clearance.v1 import clearance_pb2
from services.billing.domain.ledger import Account, CurrencySums, Entry, EntryType
from services.billing.domain.money import Money
from services.billing.domain.rates import Category, NewRate, Rate
from services.billing.domain.reservations import MessageKey, ReservationItem
from services.billing.domain.top_ups import TopUp
from services.kit import rules
from services.kit.errors import Violation

_CATEGORIES: Final = {
    clearance_pb2.CATEGORY_UTILITY: Category.UTILITY,
    clearance_pb2.CATEGORY_AUTHENTICATION: Category.AUTHENTICATION,
    clearance_pb2.CATEGORY_MARKETING: Category.MARKETING,
    clearance_pb2.CATEGORY_SERVICE: Category.SERVICE,
}
_CATEGORY_NUMBERS: Final = {category: number for number, category in _CATEGORIES.items()}
_ENTRY_TYPES: Final = {
    EntryType.TOP_UP: account_pb2.Entry.TYPE_TOP_UP,
    EntryType.RESERVATION: account_pb2.Entry.TYPE_RESERVATION,
    EntryType.CAPTURE: account_pb2.Entry.TYPE_CAPTURE,
    EntryType.RELEASE: account_pb2.Entry.TYPE_RELEASE,
    EntryType.EXPIRY: account_pb2.Entry.TYPE_EXPIRY,
}


def read_time(timestamp: Timestamp, field: str) -> datetime:
    """The time; refuses with INVALID_FIELD one that no calendar has."""
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise rules.refusal([Violation(field, "is not a time of the years 1 to 9999")]) from None


def read_money(money: account_pb2.Money) -> Money:
    """An amount, which the caller has yet to judge."""
    return Money(money.currency_code, money.amount_micros)


def read_top_up(request: pb.TopUpAccountRequest, now: datetime) -> TopUp:
    """The money that comes in."""
    return TopUp(
        UUID(request.top_up_id), UUID(request.business_id), read_money(request.amount), now
    )


def read_new_rate(rate: account_pb2.Rate, index: int) -> NewRate:
    """One of the rates to add; refuses with INVALID_FIELD."""
    valid_from_time = None
    if rate.HasField("valid_from_time"):
        valid_from_time = read_time(rate.valid_from_time, f"rates[{index}].valid_from_time")
    return NewRate(
        _CATEGORIES[rate.category], rate.country_code, read_money(rate.price), valid_from_time
    )


def read_item(item: pb.ReservationItem) -> ReservationItem:
    """One message to hold money for; refuses with INVALID_FIELD."""
    return ReservationItem(
        MessageKey(UUID(item.business_id), UUID(item.message_id)),
        _CATEGORIES[item.category],
        item.destination_country,
        item.window_open,
        read_time(item.expire_time, "expire_time"),
    )


def money(value: Money) -> account_pb2.Money:
    """The form of an amount."""
    return account_pb2.Money(currency_code=value[0], amount_micros=value[1])


def account(value: Account) -> account_pb2.Account:
    """The form of an account."""
    return account_pb2.Account(
        business_id=str(value.business_id),
        available=money(value.available),
        reserved=money(value.reserved),
        create_time=value.create_time,
    )


def rate(value: Rate) -> account_pb2.Rate:
    """The form of a rate."""
    return account_pb2.Rate(
        category=_CATEGORY_NUMBERS[value.category],
        country_code=value.country_code,
        price=money(value.price),
        valid_from_time=value.valid_from_time,
    )


def entry(value: Entry) -> account_pb2.Entry:
    """The form of an entry."""
    return account_pb2.Entry(
        entry_id=value.entry_id,
        business_id=str(value.business_id),
        type=_ENTRY_TYPES[value.type],
        amount=money(value.amount),
        reference_id=str(value.reference_id),
        category=(
            _CATEGORY_NUMBERS[value.category]
            if value.category
            else clearance_pb2.CATEGORY_UNSPECIFIED
        ),
        create_time=value.create_time,
    )


def currency_check(sums: CurrencySums) -> pb.CurrencyCheck:
    """The form of a currency's sums."""

    def in_currency(micros: int) -> account_pb2.Money:
        return account_pb2.Money(currency_code=sums.currency_code, amount_micros=micros)

    return pb.CurrencyCheck(
        debits=in_currency(sums.debits),
        credits=in_currency(sums.credits),
        available=in_currency(sums.available),
        reserved=in_currency(sums.reserved),
        revenue=in_currency(sums.revenue),
        entry_count=sums.entry_count,
        open_reservation_count=sums.open_reservation_count,
    )
