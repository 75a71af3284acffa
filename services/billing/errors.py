"""Owns why billing refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never
from uuid import UUID

from grpc import StatusCode

from services.billing.domain.corrections import ReratingState
from services.billing.domain.ledger import Account
from services.billing.domain.money import Money
from services.billing.domain.pricing import NoRate
from services.billing.domain.rate_faults import RateFault, RateFaultKind
from services.billing.domain.reservations import (
    AlreadyOver,
    Capped,
    Denial,
    Ended,
    IdReused,
    NoAccount,
    NoCredit,
)
from services.kit import rules
from services.kit.errors import CommonReasons, Reason, Reasons, Refusal, Violation


class BillingReasons(Reasons, domain="billing.hudhud"):
    """Every refusal that billing may answer with, besides the common ones."""

    ACCOUNT_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "The business has no account.",
        "An operator opens one with CreateAccount.",
    )
    ACCOUNT_CURRENCY_DIFFERS = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The business's account is in another currency, which never changes.",
        "Use the account's currency; the metadata names it.",
    )
    ACCOUNT_DIFFERS = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The business's account has another time zone or country, which never change.",
        "Leave them out, or use the account's; the metadata names them.",
    )
    AMOUNT_INVALID = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The amount is not one that can be booked.",
        "Send whole micros within the bounds that the message names.",
    )
    TOP_UP_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another top-up was booked under this id.",
        "Mint a new UUID for a new top-up.",
    )
    RATE_OVERLAPS = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another rate of the same category, country and currency begins at the same time.",
        "Begin the rate later; the violations name each one.",
    )
    RATE_IN_THE_PAST = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The rate begins in the past, where prices never change.",
        "Leave valid_from_time out for now, or name a time to come.",
    )
    RATE_GAP = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The rates leave out a stretch of volume or of time.",
        "Begin each tier, and each time, where the one before it ends; the violations name each.",
    )
    PERIOD_INVALID = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The days are none of the calendar, or no period.",
        "Name the first and the last day as 2026-10-01, not more than 366 days apart.",
    )
    ISSUER_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "Nobody issues invoices under this code.",
        "An operator says who with SetIssuer.",
    )
    TAXES_DIFFER = Reason(
        StatusCode.ALREADY_EXISTS,
        "Other taxes were set for this issuer, country and day.",
        "Set them from another day on.",
    )
    TAXES_MISSING = Reason(
        StatusCode.FAILED_PRECONDITION,
        "Nobody said which taxes the issuer adds for the buyer's country in this month.",
        "An operator says so with SetTaxes, also if there are none.",
    )
    BILLING_PROFILE_MISSING = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The business has not said to whom its invoices are issued.",
        "Set the legal name, address and tax id with SetBillingProfile.",
    )
    MONTH_NOT_OVER = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The month has not been over for an hour yet, in the business's time zone.",
        "Issue the invoice later.",
    )
    MONTH_CLOSED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The month is closed: another issuer invoiced it, or a later month is.",
        "What an invoice has wrong is corrected with CorrectInvoice.",
    )
    EARLIER_MONTH_OPEN = Reason(
        StatusCode.FAILED_PRECONDITION,
        "An earlier month with charges has no invoice yet.",
        "Issue invoices in the order of their months.",
    )
    NOTHING_TO_INVOICE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "Nothing was charged in the month.",
        "Leave the month out.",
    )
    NOTHING_TO_CREDIT = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The ledger has given nothing back of this invoice that stands on no document yet.",
        "Book the correction in the ledger first.",
    )
    INVOICE_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "The business has no invoice or credit note of this number.",
        "Take a number from ListInvoices.",
    )
    INVOICE_NOT_PRINTABLE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The document has letters that no font of the PDF has: they would be boxes.",
        "Take it as CSV, which has every letter, or issue with names in Latin, Cyrillic, Greek,"
        " Arabic, Thai or Devanagari.",
    )
    MARKET_UNKNOWN = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The market is neither a country nor a region of the market table.",
        'Name a country by its code, a region as data/markets.csv has it, or "ZZ" for everywhere.',
    )
    CURRENCY_WRONG = Reason(
        StatusCode.INVALID_ARGUMENT,
        "A row of the card is in another currency than the card.",
        "Import a card for each currency.",
    )
    CARD_NAME_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another card was imported under this name.",
        "Give a new card a new name, such as its market and month.",
    )
    ENTRY_NOT_CHARGED = Reason(
        StatusCode.NOT_FOUND,
        "The business has no entry of this number that charged a message.",
        "Take the entry_id of a capture or a late capture from ListEntries.",
    )
    CREDIT_EXCEEDS_CHARGE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "More would be given back than the message was charged.",
        "Give back at most what the metadata says is left of the charge.",
    )
    CREDIT_NOTE_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another credit note, or an invoice, has this id.",
        "Mint a new UUID for a new credit note.",
    )
    RERATING_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "There is no re-rating of this id.",
        "Propose it with ProposeRerating.",
    )
    RERATING_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another re-rating was proposed under this id.",
        "Mint a new UUID for a new re-rating.",
    )
    RERATING_NOT_PAST = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The period is empty, or not over.",
        "End it after it begins, and no later than now.",
    )
    RERATING_CLOSED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "It was decided otherwise on this re-rating.",
        "Propose another one.",
    )
    INSUFFICIENT_CREDIT = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The message costs more than the business has left.",
        "Top up the account and send the same message again.",
    )
    SPENDING_CAP_REACHED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The message would take the business over what it allows itself to spend.",
        "Wait for the next day or month, or raise the cap with SetSpendingLimits.",
    )
    NO_RATE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "There is no price for this category, country and currency.",
        "An operator adds one with AddRates; a reply goes free inside its window.",
    )
    MESSAGE_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "The id was used for another message of this business.",
        "Mint a new UUID for a new message.",
    )
    RESERVATION_ENDED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "Money was held for this message before; that has ended, or ends too soon.",
        "Send the message anew, under a new message_id.",
    )


def refusal_of(denial: Denial) -> Refusal:
    """What the one who asked for a reservation is told."""
    match denial:
        case NoAccount(business_id):
            return account_not_found(business_id)
        case NoRate(category, country, currency):
            return Refusal(
                BillingReasons.NO_RATE,
                f"There is no price for {category} messages to {country} in {currency}.",
                metadata={
                    "category": category.value,
                    "destination_country": country,
                    "currency_code": currency,
                },
            )
        case NoCredit(price, available):
            return Refusal(
                BillingReasons.INSUFFICIENT_CREDIT,
                f"The message costs {price}; the business has {available} left.",
                metadata={
                    "currency_code": price.currency_code,
                    "price_micros": str(price.amount_micros),
                    "available_micros": str(available.amount_micros),
                },
            )
        case Capped(period, price, left):
            return Refusal(
                BillingReasons.SPENDING_CAP_REACHED,
                f"The message costs {price}; the business may spend {left} more this {period}.",
                metadata={
                    "period": period,
                    "currency_code": price.currency_code,
                    "price_micros": str(price.amount_micros),
                    "left_micros": str(left.amount_micros),
                },
            )
        case IdReused(message_id):
            return Refusal(
                BillingReasons.MESSAGE_ID_REUSED, metadata={"message_id": str(message_id)}
            )
        case Ended(message_id):
            return Refusal(
                BillingReasons.RESERVATION_ENDED, metadata={"message_id": str(message_id)}
            )
        case AlreadyOver(_):
            return rules.refusal([Violation("expire_time", "must be in the future")])
        case _ as never:
            assert_never(never)


def account_not_found(business_id: UUID) -> Refusal:
    """The refusal of whatever needs an account."""
    return Refusal(BillingReasons.ACCOUNT_NOT_FOUND, metadata={"business_id": str(business_id)})


def currency_differs(business_id: UUID, currency_code: str) -> Refusal:
    """The refusal of money in another currency than the account's, which is `currency_code`."""
    return Refusal(
        BillingReasons.ACCOUNT_CURRENCY_DIFFERS,
        f"The business's account is in {currency_code}, which never changes.",
        metadata={"business_id": str(business_id), "currency_code": currency_code},
    )


def account_differs(account: Account) -> Refusal:
    """The refusal of another time zone or country than the account's."""
    return Refusal(
        BillingReasons.ACCOUNT_DIFFERS,
        metadata={
            "business_id": str(account.business_id),
            "time_zone": account.time_zone,
            "country_code": account.country_code or "",
        },
    )


def time_zone_unknown() -> Refusal:
    """The refusal of a time zone that there is not."""
    return rules.refusal(
        [Violation("time_zone", "is no time zone of the IANA database, such as Asia/Damascus")]
    )


def entry_not_chargeable(entry_id: int) -> Refusal:
    """The refusal to correct what charged nothing."""
    return Refusal(BillingReasons.ENTRY_NOT_CHARGED, metadata={"entry_id": str(entry_id)})


def credit_exceeds_charge(amount: Money, left: Money) -> Refusal:
    """The refusal to give back more than what is `left` of a charge."""
    return Refusal(
        BillingReasons.CREDIT_EXCEEDS_CHARGE,
        f"{amount} would be given back; {left} of the charge is left.",
        metadata={"currency_code": left.currency_code, "left_micros": str(left.amount_micros)},
    )


def credit_note_id_reused(credit_note_id: UUID) -> Refusal:
    """The refusal of another credit note of the same id."""
    return Refusal(
        BillingReasons.CREDIT_NOTE_ID_REUSED, metadata={"credit_note_id": str(credit_note_id)}
    )


def rerating_not_found(rerating_id: UUID) -> Refusal:
    """The refusal of whatever needs a re-rating."""
    return Refusal(BillingReasons.RERATING_NOT_FOUND, metadata={"rerating_id": str(rerating_id)})


def rerating_id_reused(rerating_id: UUID) -> Refusal:
    """The refusal of another re-rating of the same id."""
    return Refusal(BillingReasons.RERATING_ID_REUSED, metadata={"rerating_id": str(rerating_id)})


def rerating_not_past() -> Refusal:
    """The refusal of a period that is none, or not over."""
    return Refusal(BillingReasons.RERATING_NOT_PAST)


def rerating_closed(rerating_id: UUID, state: ReratingState) -> Refusal:
    """The refusal to decide against what was decided."""
    return Refusal(
        BillingReasons.RERATING_CLOSED,
        f"The re-rating was {state}.",
        metadata={"rerating_id": str(rerating_id), "state": state.value},
    )


def amount_invalid(message: str) -> Refusal:
    """The refusal of an amount; `message` says which amounts are good."""
    return Refusal(BillingReasons.AMOUNT_INVALID, message)


# A fault's own reason.
_RATE_REASONS: Final = {
    RateFaultKind.PRICE: BillingReasons.AMOUNT_INVALID,
    RateFaultKind.IN_THE_PAST: BillingReasons.RATE_IN_THE_PAST,
    RateFaultKind.OVERLAPS: BillingReasons.RATE_OVERLAPS,
    RateFaultKind.GAP: BillingReasons.RATE_GAP,
    RateFaultKind.MARKET: BillingReasons.MARKET_UNKNOWN,
    RateFaultKind.CURRENCY: BillingReasons.CURRENCY_WRONG,
    RateFaultKind.MALFORMED: CommonReasons.INVALID_FIELD,
}
# So many fit into the trailers of a call.
_VIOLATIONS_MAX: Final = 20


def reason_of(kind: RateFaultKind) -> Reason:
    """The reason that stands for a fault."""
    return _RATE_REASONS[kind]


def rates_refused(faults: Sequence[RateFault]) -> Refusal:
    """The refusal of rates: the reason is the first one's, the violations name all."""
    first = faults[0]
    return Refusal(
        reason_of(first.kind),
        f"rates[{first.index}]: {first.description}{_more(faults)}",
        violations=[Violation(f"rates[{fault.index}]", fault.description) for fault in faults],
    )


def card_refused(faults: Sequence[RateFault]) -> Refusal:
    """The refusal of a card: the reason is the first fault's, the violations name the first few."""
    first = faults[0]
    return Refusal(
        reason_of(first.kind),
        f"line {first.index}: {first.description}{_more(faults)}",
        metadata={"fault_count": str(len(faults))},
        violations=[
            Violation(f"line {fault.index}", f"{reason_of(fault.kind).name}: {fault.description}")
            for fault in faults[:_VIOLATIONS_MAX]
        ],
    )


def card_name_reused(name: str) -> Refusal:
    """The refusal of another card of the same name."""
    return Refusal(BillingReasons.CARD_NAME_REUSED, metadata={"name": name})


def _more(faults: Sequence[RateFault]) -> str:
    return f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""


def page_token_invalid() -> Refusal:
    """The refusal of a page token that no answer gave."""
    return rules.refusal([Violation("page_token", "is not the next_page_token of an answer")])
