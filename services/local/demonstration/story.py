"""The story that is played: each step does something for real and expects something of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from hudhud.billing.v1 import account_pb2, billing_service_pb2
from hudhud.clearance.v1 import clearance_pb2
from hudhud.edge.v1 import edge_service_pb2
from hudhud.messaging.v1 import message_pb2
from hudhud.policy.v1 import evidence_pb2
from services.ends.device.device import Device
from services.ends.device.store import Message
from services.kit.errors import Refusal
from services.local.demonstration import texts
from services.local.demonstration.rates import CURRENCY_CODE, rates
from services.local.demonstration.texts import Wording
from services.local.parties import (
    MICROS,
    Business,
    Doors,
    Operator,
    open_phone,
    template_message,
    text_message,
)

PHONE_NUMBER: Final = "+963944123456"
WAIT_SECONDS: Final = 20.0


class Disappointed(Exception):
    """Something did not turn out as the demonstration expects."""


@dataclass
class Row:
    """What became of one message, for the table at the end."""

    sender: str
    what: str
    outcome: str
    category: str = ""
    cost: str = ""
    cost_micros: int = -1  # -1: nothing that could cost anything.
    note: str = ""


@dataclass
class Story:
    """The parties and what happened so far."""

    doors: Doors
    stack: AsyncExitStack
    phone_number: str
    rows: list[Row] = field(default_factory=list)
    ledger: billing_service_pb2.CheckLedgerResponse | None = None
    accounts: list[tuple[str, account_pb2.Account]] = field(default_factory=list)
    operator: Operator = field(init=False)
    airline: Business = field(init=False)
    shop: Business = field(init=False)
    phone: Device = field(init=False)
    _inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    _events: dict[str, asyncio.Queue[edge_service_pb2.Event]] = field(default_factory=dict)

    # --- Steps ------------------------------------------------------------------------------------

    async def businesses_register(self) -> None:
        """An airline and a shop register, and their templates are reviewed."""
        self.operator = await self.stack.enter_async_context(Operator(self.doors))
        await self.operator.ensure_rates(rates())
        self.airline = await self._register("Qasioun Wings", "أجنحة قاسيون")
        self.shop = await self._register("Jasmine Shop", "متجر الياسمين")
        await self._submit(self.shop, texts.RECEIPT)
        await self._submit(self.shop, texts.SHIPPING)
        await self._submit(self.airline, texts.TICKET)

    async def person_registers(self) -> None:
        """A person registers a device with a code that came to the phone."""
        device = await open_phone(self.doors, self.phone_number)
        self.phone = await self.stack.enter_async_context(device)
        self._background(self._read_inbox())

    async def receipt_arrives(self) -> None:
        """A receipt arrives from the shop, in Arabic."""
        await self._send_template(self.shop, texts.RECEIPT, "receipt (Arabic)")

    async def ticket_arrives(self) -> None:
        """A ticket arrives from the airline, in Arabic."""
        await self._send_template(self.airline, texts.TICKET, "ticket (Arabic)")

    async def shipping_arrives(self) -> None:
        """A shipping confirmation arrives from the shop, in English."""
        await self._send_template(self.shop, texts.SHIPPING, "shipping (English)")

    async def person_replies(self) -> None:
        """The person writes to the shop, which opens the window."""
        message_id = await self.phone.reply(self.shop.business_id, texts.QUESTION)
        event = await self._event(
            self.shop, lambda event: event.message_received.message_id == message_id
        )
        _expect(
            event.message_received.content.text.body == texts.QUESTION,
            "the shop reads what the person wrote",
        )
        self.rows.append(Row("Layla", "question (Arabic)", "delivered", note="opens the window"))

    async def answer_is_free(self) -> None:
        """The shop's answer is free."""
        message = text_message(self.phone_number, texts.ANSWER, kind=clearance_pb2.KIND_REPLY)
        price = await self._deliver(self.shop, message, "answer (Arabic)")
        _expect(price == 0, "an answer inside the window is free")

    async def advertisement_is_blocked(self) -> None:
        """An advertisement sent as utility is blocked, and costs nothing."""
        before = await self.shop.account()
        evidence = await self._be_blocked(
            text_message(
                self.phone_number,
                texts.ADVERTISEMENT,
                kind=clearance_pb2.KIND_DIRECT,
                category=clearance_pb2.CATEGORY_UTILITY,
            ),
            "advertisement as utility",
        )
        _expect(
            evidence_pb2.Evidence.CODE_PROMOTIONAL_CONTENT in evidence,
            "the evidence says that the text promotes",
        )
        _expect(await self.shop.account() == before, "what is blocked costs nothing")

    async def advertisement_arrives_with_consent(self) -> None:
        """The person wants the shop's marketing, and the same advertisement arrives."""
        await self.phone.grant_consent(self.shop.business_id)
        price = await self._deliver(
            self.shop, _advertisement(self.phone_number), "advertisement, with consent"
        )
        _expect(price > 0, "marketing is charged")

    async def advertisement_is_blocked_again(self) -> None:
        """The person takes the consent back, and it is blocked again."""
        await self.phone.withdraw_consent(self.shop.business_id)
        evidence = await self._be_blocked(
            _advertisement(self.phone_number), "advertisement, consent withdrawn"
        )
        _expect(
            evidence_pb2.Evidence.CODE_NO_MARKETING_CONSENT in evidence,
            "the evidence says that there is no consent",
        )

    async def uninvited_message_is_refused(self) -> None:
        """A free message to somebody who never wrote is refused, with what to do instead."""
        message = text_message(self.phone_number, texts.UNINVITED, kind=clearance_pb2.KIND_REPLY)
        try:
            await self.airline.send(message)
        except Refusal as refusal:
            _expect(
                refusal.reason.name == "WINDOW_NEVER_OPENED", "the refusal says that nobody wrote"
            )
            self.rows.append(
                Row(
                    self.airline.name,
                    "free message, nobody wrote",
                    "refused",
                    cost="nothing",
                    note=str(refusal),
                )
            )
        else:
            raise Disappointed("a free message to somebody who never wrote was not refused")

    async def ledger_is_checked(self) -> None:
        """The ledger is added up: debits equal credits."""
        await self._until(self._nothing_reserved, "every reservation is captured or released")
        for business in (self.airline, self.shop):
            self.accounts.append((business.name, await business.account()))
        self.ledger = await self.operator.check_ledger()
        _expect(not self.ledger.faults, "the ledger holds: " + "; ".join(self.ledger.faults))
        for currency in self.ledger.currencies:
            _expect(
                currency.debits.amount_micros == currency.credits.amount_micros,
                "debits equal credits",
            )
        spent = sum(10 * MICROS - account.available.amount_micros for _, account in self.accounts)
        _expect(spent == self._expected_micros, "the accounts are charged what the messages cost")

    # --- What steps are made of -------------------------------------------------------------------

    _expected_micros: int = 0

    async def _register(self, name: str, arabic_name: str) -> Business:
        business_id, api_key = await self.operator.register_business(
            name, {"ar": arabic_name}, credit_micros=10 * MICROS, currency_code=CURRENCY_CODE
        )
        business = await self.stack.enter_async_context(
            Business(self.doors, name, business_id, api_key)
        )
        self._events[business_id] = asyncio.Queue()
        self._background(self._read_events(business))
        return business

    async def _submit(self, business: Business, wording: Wording) -> None:
        await business.submit_template(
            wording.name,
            wording.language_code,
            wording.category,
            wording.body,
            wording.parameters,
        )

    async def _send_template(self, business: Business, wording: Wording, what: str) -> None:
        message = template_message(
            self.phone_number, wording.name, wording.language_code, wording.parameters
        )
        price = await self._deliver(business, message, what)
        _expect(price > 0, "a notification is charged")

    async def _deliver(
        self, business: Business, message: edge_service_pb2.OutgoingMessage, what: str
    ) -> int:
        """Sends, sees it arrive, and sees the business told; returns the price in micros."""
        outcome = await business.send(message)
        _expect(
            outcome.HasField("accepted"),
            f"{what} is accepted, not blocked: {_sentences(outcome.blocked.evidence)}",
        )
        async with asyncio.timeout(WAIT_SECONDS):
            # Something may still arrive from an earlier time that broke off.
            while (await self._inbox.get()).message_id != message.message_id:
                pass
        await self._event(business, lambda event: _is_delivery(event, message.message_id))
        accepted = outcome.accepted
        self._expected_micros += accepted.price.amount_micros
        self.rows.append(
            Row(
                business.name,
                what,
                "delivered",
                category=_category_name(accepted.category),
                cost=money(accepted.price),
                cost_micros=accepted.price.amount_micros,
            )
        )
        return int(accepted.price.amount_micros)

    async def _be_blocked(
        self, message: edge_service_pb2.OutgoingMessage, what: str
    ) -> set[evidence_pb2.Evidence.Code]:
        outcome = await self.shop.send(message)
        _expect(outcome.HasField("blocked"), f"{what} is blocked")
        evidence = outcome.blocked.evidence
        self.rows.append(
            Row(self.shop.name, what, "blocked", cost="nothing", note=_sentences(evidence))
        )
        return {each.code for each in evidence}

    async def _event(
        self, business: Business, wanted: Callable[[edge_service_pb2.Event], bool]
    ) -> edge_service_pb2.Event:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                event = await self._events[business.business_id].get()
                if wanted(event):
                    return event

    async def _nothing_reserved(self) -> bool:
        accounts = [await business.account() for business in (self.airline, self.shop)]
        return not any(account.reserved.amount_micros for account in accounts)

    async def _until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not await holds():
            _expect(asyncio.get_running_loop().time() < deadline, what)
            await asyncio.sleep(0.05)

    async def _read_inbox(self) -> None:
        async for message in self.phone.messages():
            self._inbox.put_nowait(message)
            self.phone.mark_read(message)

    async def _read_events(self, business: Business) -> None:
        async for event in business.events():
            self._events[business.business_id].put_nowait(event)

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)


STEPS: Final[tuple[Callable[[Story], Awaitable[None]], ...]] = (
    Story.businesses_register,
    Story.person_registers,
    Story.receipt_arrives,
    Story.ticket_arrives,
    Story.shipping_arrives,
    Story.person_replies,
    Story.answer_is_free,
    Story.advertisement_is_blocked,
    Story.advertisement_arrives_with_consent,
    Story.advertisement_is_blocked_again,
    Story.uninvited_message_is_refused,
    Story.ledger_is_checked,
)


def money(amount: account_pb2.Money) -> str:
    """An amount for people to read."""
    return f"{amount.amount_micros / MICROS:.4f} {amount.currency_code}"


def _advertisement(phone_number: str) -> edge_service_pb2.OutgoingMessage:
    return text_message(
        phone_number,
        texts.ADVERTISEMENT,
        kind=clearance_pb2.KIND_DIRECT,
        category=clearance_pb2.CATEGORY_MARKETING,
    )


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise Disappointed(f"Expected: {what}.")


def _is_delivery(event: edge_service_pb2.Event, message_id: str) -> bool:
    status = event.status_changed
    return status.message_id == message_id and status.state == message_pb2.MESSAGE_STATE_DELIVERED


def _category_name(category: clearance_pb2.Category) -> str:
    return clearance_pb2.Category.Name(category).removeprefix("CATEGORY_").lower()


def _sentences(evidence: Any) -> str:
    return " ".join(each.message for each in evidence)
