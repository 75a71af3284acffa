"""Businesses of tests, what they send, and what becomes of it."""

import itertools
import string
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from services.billing.message_events import MessageEvents
from services.kit.clock import new_id
from services.kit.outbox import Event
from tests.billing.house import House

UTILITY = clearance_pb2.CATEGORY_UTILITY
AUTHENTICATION = clearance_pb2.CATEGORY_AUTHENTICATION
MARKETING = clearance_pb2.CATEGORY_MARKETING
SERVICE = clearance_pb2.CATEGORY_SERVICE

UNIT = 1_000_000
PRICES = {UTILITY: UNIT, MARKETING: 4 * UNIT, SERVICE: UNIT // 2}

_STATES = {
    "delivered": message_pb2.MESSAGE_STATE_DELIVERED,
    "read": message_pb2.MESSAGE_STATE_READ,
    "refused": message_pb2.MESSAGE_STATE_REFUSED,
    "expired": message_pb2.MESSAGE_STATE_EXPIRED,
}
_currencies = map("".join, itertools.product(string.ascii_uppercase, repeat=3))


def new_currency() -> str:
    """A currency that nobody else has."""
    return next(_currencies)


@dataclass
class Business:
    """A business with an account, and those who act for it."""

    house: House
    business_id: str
    currency: str
    operator: Any
    messaging: Any

    def money(self, micros: int) -> account_pb2.Money:
        return account_pb2.Money(currency_code=self.currency, amount_micros=micros)

    def item(
        self,
        message_id: UUID | str | None = None,
        category: Any = UTILITY,
        country: str = "SY",
        *,
        window_open: bool = False,
        seconds: float = 3600,
    ) -> pb.ReservationItem:
        """What messaging would ask for one message; its reservation ends after `seconds`."""
        item = pb.ReservationItem(
            message_id=str(message_id or new_id()),
            business_id=self.business_id,
            category=category,
            destination_country=country,
            window_open=window_open,
        )
        item.expire_time.FromDatetime(self.house.clock.now() + timedelta(seconds=seconds))
        return item

    async def reserve(self, *items: pb.ReservationItem) -> list[str | int]:
        """For each item its price in micros, or the reason of its refusal."""
        return outcomes_of(
            await self.messaging.CreateReservations(pb.CreateReservationsRequest(items=items))
        )

    async def top_up(self, micros: int) -> None:
        await self.operator.TopUpAccount(
            pb.TopUpAccountRequest(
                top_up_id=str(new_id()), business_id=self.business_id, amount=self.money(micros)
            )
        )

    async def add_rate(
        self, category: Any, micros: int, country: str = "ZZ", after_seconds: float | None = None
    ) -> None:
        """A rate in the business's currency, from now or from some time on."""
        rate = account_pb2.Rate(category=category, country_code=country, price=self.money(micros))
        if after_seconds is not None:
            rate.valid_from_time.FromDatetime(
                self.house.clock.now() + timedelta(seconds=after_seconds)
            )
        await self.operator.AddRates(pb.AddRatesRequest(rates=[rate]))

    async def receipt(self, change: str, *message_ids: str) -> None:
        """Messaging tells that these messages were delivered, read, refused or expired."""
        await MessageEvents(self.house.database).handle(
            [message_changed(change, self.business_id, message_id) for message_id in message_ids]
        )

    async def balances(self) -> tuple[int, int]:
        """What can be spent and what is held, in micros."""
        request = pb.GetAccountRequest(business_id=self.business_id)
        account = (await self.operator.GetAccount(request)).account
        return account.available.amount_micros, account.reserved.amount_micros

    async def ledger(self) -> dict[str, int]:
        """The balance of each ledger account, in micros."""
        async with self.house.database.connection("test") as connection:
            rows = await connection.fetch(
                "SELECT account::text, balance_micros FROM balances WHERE business_id = $1",
                UUID(self.business_id),
            )
        ledger: dict[str, int] = Counter()
        for account, micros in rows:
            # What is earned is one sum here, whichever category it is from.
            ledger["revenue" if account.startswith("revenue") else account] += micros
        return dict(ledger)

    async def unsettled(self) -> list[str]:
        """The messages of which a receipt could not be booked."""
        async with self.house.database.connection("test") as connection:
            rows = await connection.fetch(
                "SELECT message_id, wanted::text, found::text FROM unsettled_receipts"
                " WHERE business_id = $1 ORDER BY 1, 2",
                UUID(self.business_id),
            )
        return [f"{row[0]} {row[1]} {row[2]}" for row in rows]

    async def entries(self, reference_id: str = "") -> list[tuple[str, int]]:
        """Every entry's type and amount, oldest first."""
        request = pb.ListEntriesRequest(
            business_id=self.business_id, reference_id=reference_id, page_size=1000
        )
        response = await self.operator.ListEntries(request)
        return [
            (account_pb2.Entry.Type.Name(entry.type)[len("TYPE_") :], entry.amount.amount_micros)
            for entry in reversed(response.entries)
        ]


def outcomes_of(response: pb.CreateReservationsResponse) -> list[str | int]:
    """For each item its price in micros, or the reason of its refusal."""
    return [
        outcome.refusal.reason if outcome.HasField("refusal") else outcome.price.amount_micros
        for outcome in response.outcomes
    ]


def message_changed(change: str, business_id: str, message_id: str) -> Event:
    """The event as messaging's outbox has it."""
    changed = message_pb2.MessageChanged()
    changed.message.message_id = message_id
    changed.message.business_id = business_id
    changed.message.state = _STATES[change]
    return Event(new_id(), f"hudhud.messaging.message.{change}", changed.SerializeToString())


async def open_business(
    house: House, micros: int = 10 * UNIT, currency: str | None = None, **account: str
) -> Business:
    """A new business with an account; unless a currency is named, in a new one with rates."""
    business = Business(
        house,
        str(new_id()),
        currency or new_currency(),
        await house.operator(),
        await house.service("messaging"),
    )
    await business.operator.CreateAccount(
        pb.CreateAccountRequest(
            business_id=business.business_id, currency_code=business.currency, **account
        )
    )
    if currency is None:
        for category, price in PRICES.items():
            await business.add_rate(category, price)
    if micros:
        await business.top_up(micros)
    return business


def terms(business: Business, **micros: Any) -> account_pb2.AccountTerms:
    """Terms in the business's currency; a list of amounts is one of alerts."""
    fields: dict[str, Any] = {
        name: [business.money(each) for each in value]
        if isinstance(value, list)
        else business.money(value)
        for name, value in micros.items()
    }
    return account_pb2.AccountTerms(**fields)


async def set_terms(business: Business, **micros: Any) -> Any:
    """The account on these terms, by an operator."""
    request = pb.SetAccountTermsRequest(
        business_id=business.business_id, terms=terms(business, **micros)
    )
    return (await business.operator.SetAccountTerms(request)).account


async def check_ledger(house: House) -> list[str]:
    """What CheckLedger finds."""
    response = await (await house.operator()).CheckLedger(pb.CheckLedgerRequest())
    return list(response.faults)
