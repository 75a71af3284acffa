"""Owns the forms of billing's values on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from hudhud.clearance.v1 import clearance_pb2
from services.billing.domain.alerts import Alert, AlertKind
from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import Account, CurrencySums, Entry, EntryType, LedgerAccount
from services.billing.domain.money import AMOUNT_MICROS_MAX, Money
from services.billing.domain.pricing import Quotation, Shipment
from services.billing.domain.rate_faults import RateFault
from services.billing.domain.rates import Category, Channel, NewRate, Rate
from services.billing.domain.reservations import MessageKey, ReservationItem
from services.billing.domain.terms import Terms
from services.billing.domain.top_ups import TopUp
from services.billing.errors import reason_of
from services.kit import rules
from services.kit.errors import Violation

_CATEGORIES: Final = {
    clearance_pb2.CATEGORY_UTILITY: Category.UTILITY,
    clearance_pb2.CATEGORY_AUTHENTICATION: Category.AUTHENTICATION,
    clearance_pb2.CATEGORY_MARKETING: Category.MARKETING,
    clearance_pb2.CATEGORY_SERVICE: Category.SERVICE,
}
_CATEGORY_NUMBERS: Final = {category: number for number, category in _CATEGORIES.items()}
_CHANNELS: Final = {
    account_pb2.CHANNEL_UNSPECIFIED: Channel.APP,
    account_pb2.CHANNEL_APP: Channel.APP,
    account_pb2.CHANNEL_SMS: Channel.SMS,
    account_pb2.CHANNEL_RCS: Channel.RCS,
}
_CHANNEL_NUMBERS: Final = {
    channel: account_pb2.Channel.Value(f"CHANNEL_{channel.name}") for channel in Channel
}
_FREE_RULE_NUMBERS: Final = {
    rule: account_pb2.FreeRule.Value(f"FREE_RULE_{rule.name}") for rule in FreeRule
}
_ACCOUNT_NUMBERS: Final = {
    account: account_pb2.LedgerAccount.Value(f"LEDGER_ACCOUNT_{account.name}")
    for account in LedgerAccount
}
_ENTRY_TYPES: Final = {
    type_: account_pb2.Entry.Type.Value(f"TYPE_{type_.name}") for type_ in EntryType
}
_ALERT_KINDS: Final = {
    AlertKind.LEFT: account_pb2.AccountAlert.KIND_LEFT,
    AlertKind.SPENT: account_pb2.AccountAlert.KIND_SPENT,
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
    field = f"rates[{index}]"
    if bool(rate.country_code) == bool(rate.region):
        raise rules.refusal([Violation(f"{field}.country_code", "must be set, or else region")])
    category = _CATEGORIES[rate.category]
    if rate.international:
        if category is not Category.AUTHENTICATION:
            raise rules.refusal([Violation(f"{field}.international", "is for authentication only")])
        category = Category.AUTHENTICATION_INTERNATIONAL
    return NewRate(
        category,
        rate.country_code or rate.region,
        read_money(rate.price),
        _optional_time(rate, "valid_from_time", field),
        _CHANNELS[rate.channel],
        rate.tier_from or 1,
        rate.tier_to or None,
        _optional_time(rate, "valid_to_time", field),
    )


def read_item(item: pb.ReservationItem) -> ReservationItem:
    """One message to hold money for; refuses with INVALID_FIELD."""
    return ReservationItem(
        MessageKey(UUID(item.business_id), UUID(item.message_id)),
        read_shipment(item),
        read_time(item.expire_time, "expire_time"),
    )


def read_shipment(item: pb.ReservationItem | pb.QuoteItem) -> Shipment:
    """What the price depends on; refuses with INVALID_FIELD."""
    channel = _CHANNELS[item.channel]
    if item.segments > 1 and channel is not Channel.SMS:
        raise rules.refusal([Violation("segments", "are for SMS only")])
    came = _optional_time(item, "entry_point_time")
    return Shipment(
        _CATEGORIES[item.category],
        item.destination_country,
        item.window_open,
        channel,
        item.segments or 1,
        came,
        _optional_time(item, "entry_point_answer_time") if came else None,
    )


def read_terms(terms: account_pb2.AccountTerms, currency_code: str, field: str) -> Terms:
    """On which terms a business spends; refuses with INVALID_FIELD."""
    found: list[Violation] = []

    def micros(value: account_pb2.Money, name: str) -> int:
        if value.currency_code != currency_code:
            found.append(
                Violation(f"{field}.{name}", f"must be in the account's currency, {currency_code}")
            )
        if not 0 <= value.amount_micros <= AMOUNT_MICROS_MAX:
            found.append(
                Violation(f"{field}.{name}", f"must be from 0 to {AMOUNT_MICROS_MAX} micros")
            )
        return value.amount_micros

    def optional(name: str) -> int | None:
        return micros(getattr(terms, name), name) if terms.HasField(name) else None

    def levels(name: str) -> tuple[int, ...]:
        values = getattr(terms, name)
        return tuple(micros(each, f"{name}[{index}]") for index, each in enumerate(values))

    read = Terms(
        optional("credit_limit") or 0,
        optional("daily_cap"),
        optional("monthly_cap"),
        levels("left_alerts"),
        levels("spent_alerts"),
    )
    if found:
        raise rules.refusal(found)
    return read


def _optional_time(message: Any, name: str, prefix: str = "") -> datetime | None:
    path = f"{prefix}.{name}" if prefix else name
    return read_time(getattr(message, name), path) if message.HasField(name) else None


def money(value: Money) -> account_pb2.Money:
    """The form of an amount."""
    return account_pb2.Money(currency_code=value[0], amount_micros=value[1])


def account(value: Account) -> account_pb2.Account:
    """The form of an account."""
    currency_code = value.available.currency_code
    return account_pb2.Account(
        business_id=str(value.business_id),
        available=money(value.available),
        reserved=money(value.reserved),
        create_time=value.create_time,
        time_zone=value.time_zone,
        country_code=value.country_code or "",
        owed=money(value.owed),
        terms=_terms(value.terms, currency_code),
    )


def _terms(value: Terms, currency_code: str) -> account_pb2.AccountTerms:
    def in_currency(micros: int | None) -> account_pb2.Money | None:
        return None if micros is None else money(Money(currency_code, micros))

    return account_pb2.AccountTerms(
        credit_limit=in_currency(value.credit_limit_micros),
        daily_cap=in_currency(value.daily_cap_micros),
        monthly_cap=in_currency(value.monthly_cap_micros),
        left_alerts=[money(Money(currency_code, each)) for each in value.left_alerts_micros],
        spent_alerts=[money(Money(currency_code, each)) for each in value.spent_alerts_micros],
    )


def alert(value: Alert, now: datetime) -> account_pb2.AccountAlert:
    """The event of an alert."""
    return account_pb2.AccountAlert(
        business_id=str(value.business_id),
        kind=_ALERT_KINDS[value.kind],
        level=money(value.level),
        amount=money(value.now),
        create_time=now,
    )


def rate(value: Rate) -> account_pb2.Rate:
    """The form of a rate."""
    is_region = value.market[0].islower()
    return account_pb2.Rate(
        category=_CATEGORY_NUMBERS[value.category.cleared],
        country_code="" if is_region else value.market,
        price=money(value.price),
        valid_from_time=value.valid_from_time,
        region=value.market if is_region else "",
        channel=_CHANNEL_NUMBERS[value.channel],
        international=value.category is Category.AUTHENTICATION_INTERNATIONAL,
        tier_from=value.tier_from,
        tier_to=value.tier_to or 0,
        valid_to_time=value.valid_to_time,
        rate_id=value.rate_id,
    )


def card_fault(value: RateFault) -> pb.RateCardFault:
    """The form of what is wrong with a line."""
    return pb.RateCardFault(
        line=value.index, reason=reason_of(value.kind).name, description=value.description
    )


def quotation(value: Quotation) -> pb.Quotation:
    """The form of a price and where it comes from."""
    price = value.price
    return pb.Quotation(
        price=money(price.charged),
        rate=rate(price.rate) if price.rate else None,
        free_rule=(
            _FREE_RULE_NUMBERS[price.free_rule]
            if price.free_rule
            else account_pb2.FREE_RULE_UNSPECIFIED
        ),
        units=value.units,
        list_price=money(price.listed),
        market=price.market,
        unit_number=value.unit_number,
    )


def entry(value: Entry) -> account_pb2.Entry:
    """The form of an entry."""
    of_allowance = LedgerAccount.ALLOWANCE in (value.from_account, value.to_account) or (
        value.free_rule is FreeRule.ALLOWANCE
    )
    return account_pb2.Entry(
        entry_id=value.entry_id,
        business_id=str(value.business_id),
        type=_ENTRY_TYPES[value.type],
        amount=money(Money(value.amount.currency_code, 0) if of_allowance else value.amount),
        reference_id=str(value.reference_id),
        category=(
            _CATEGORY_NUMBERS[value.category.cleared]
            if value.category
            else clearance_pb2.CATEGORY_UNSPECIFIED
        ),
        create_time=value.create_time,
        from_account=_ACCOUNT_NUMBERS[value.from_account],
        to_account=_ACCOUNT_NUMBERS[value.to_account],
        channel=(
            _CHANNEL_NUMBERS[value.channel] if value.channel else account_pb2.CHANNEL_UNSPECIFIED
        ),
        market=value.market or "",
        units=value.units or 0,
        international=value.category is Category.AUTHENTICATION_INTERNATIONAL,
        free_rule=(
            _FREE_RULE_NUMBERS[value.free_rule]
            if value.free_rule
            else account_pb2.FREE_RULE_UNSPECIFIED
        ),
        list_amount=money(value.amount),
        corrects_entry_id=value.corrects_entry_id or 0,
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
        owed=in_currency(sums.owed),
        allowed=in_currency(sums.allowed),
        adjusted=in_currency(sums.adjusted),
        tax=in_currency(sums.tax),
    )
