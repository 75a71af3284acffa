"""Who takes part when something is tried on this machine: an operator, businesses, a person."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from hudhud.billing.v1 import (
    account_pb2,
    billing_service_pb2,
    billing_service_pb2_grpc,
    correction_service_pb2_grpc,
    statement_service_pb2_grpc,
)
from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2, edge_service_pb2_grpc
from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from hudhud.messaging.v1 import messaging_service_pb2_grpc
from hudhud.policy.v1 import policy_service_pb2, policy_service_pb2_grpc
from services.ends.device.device import Device
from services.ends.device.platform import Platform
from services.ends.device.registration import is_registered, register
from services.kit.client import Stream, connect
from services.kit.clock import new_id
from services.kit.errors import Refusal
from services.kit.token_source import TokenSource
from services.local.errors import LocalError
from services.local.ports import Ports
from services.local.roster import CODES_FILE, HOST, OPERATOR_CREDENTIAL_FILE, ROSTER

MICROS = 1_000_000


@dataclass(frozen=True)
class Doors:
    """Where a platform on this machine answers, and the secrets that only this machine has."""

    state: Path

    def address(self, service: str) -> str:
        """Where a service answers businesses, devices and operators, as host:port.

        Raises:
            LocalError: There is no such service, or it never ran here.

        """
        names = [each.name for each in ROSTER]
        if service not in names:
            raise LocalError(f"There is no service {service}. There are: {', '.join(names)}")
        port = Ports(self.state / "ports.json").current(f"{service}.public")
        if port is None:
            raise self._never_ran()
        return f"{HOST}:{port}"

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority that signed the services' certificates."""
        return self.state / "certificates" / "authority.pem"

    @property
    def authority(self) -> bytes:
        """The same, read."""
        return self.authority_file.read_bytes()

    def platform(self) -> Platform:
        """The platform as a device knows it."""
        return Platform(
            self.address("identity"),
            self.address("policy"),
            self.address("messaging"),
            self.authority,
        )

    def operator_credential(self) -> str:
        """What makes an operator. Raises LocalError: Hudhud never ran here."""
        try:
            return (self.state / OPERATOR_CREDENTIAL_FILE).read_text().strip()
        except FileNotFoundError:
            raise self._never_ran() from None

    def _never_ran(self) -> LocalError:
        return LocalError(f"Hudhud never ran in {self.state}. Start it with: hudhud run")

    async def read_code(self, phone_number: str, wait_seconds: float = 10.0) -> str:
        """The newest code that was sent to a phone number, as its owner would read it."""
        file = self.state / CODES_FILE
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while True:
            codes = file.read_text().splitlines() if file.exists() else []
            for line in reversed(codes):
                sent = json.loads(line)
                if sent["phone_number"] == phone_number:
                    return str(sent["code"])
            if asyncio.get_running_loop().time() > deadline:
                raise LocalError(f"No code came to {file}; is identity running?")
            await asyncio.sleep(0.05)


class Caller:
    """Somebody with a token, and stubs for every service's public door."""

    def __init__(self, doors: Doors, secret: str) -> None:
        """`secret` is an API key or the operator's credential."""
        self._doors = doors
        self._secret = secret
        self._stack = AsyncExitStack()
        self._exchange: Any = None
        self.identity: Any = None
        self.policy: Any = None
        self.billing: Any = None
        self.statements: Any = None
        self.corrections: Any = None
        self.messaging: Any = None
        self.edge: Any = None

    async def __aenter__(self) -> Self:
        token = TokenSource(self._exchange_secret)
        stubs: dict[str, Any] = {
            "identity": identity_service_pb2_grpc.IdentityServiceStub,
            "policy": policy_service_pb2_grpc.PolicyServiceStub,
            "billing": billing_service_pb2_grpc.BillingServiceStub,
            "messaging": messaging_service_pb2_grpc.MessagingServiceStub,
            "edge": edge_service_pb2_grpc.EdgeServiceStub,
        }
        authority = self._doors.authority
        without_token = connect(self._doors.address("identity"), name="identity", tls=authority)
        await self._stack.enter_async_context(without_token)
        self._exchange = stubs["identity"](without_token)
        for name, stub in stubs.items():
            channel = connect(
                self._doors.address(name),
                name=name,
                tls=authority,
                token=token,
                timeout_seconds=20,
                retried=["hudhud.edge.v1.EdgeService/SendMessage"],
            )
            await self._stack.enter_async_context(channel)
            setattr(self, name, stub(channel))
            if name == "billing":
                self.statements = statement_service_pb2_grpc.StatementServiceStub(channel)
                self.corrections = correction_service_pb2_grpc.CorrectionServiceStub(channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _exchange_secret(self) -> tuple[str, datetime]:
        response = await self._exchange.ExchangeApiKey(
            identity_service_pb2.ExchangeApiKeyRequest(secret=self._secret)
        )
        return response.access_token.token, response.access_token.expire_time.ToDatetime(UTC)


class Operator(Caller):
    """Does what only an operator may."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(doors, doors.operator_credential())

    async def register_business(
        self, display_name: str, names: dict[str, str], *, credit_micros: int, currency_code: str
    ) -> tuple[str, str]:
        """A new business with money on its account: its id and an API key."""
        business_id = str(new_id())
        await self.identity.CreateBusiness(
            identity_service_pb2.CreateBusinessRequest(
                business_id=business_id, display_name=display_name, localized_display_names=names
            )
        )
        key = await self.identity.CreateApiKey(
            identity_service_pb2.CreateApiKeyRequest(business_id=business_id, label="this machine")
        )
        await self.billing.CreateAccount(
            billing_service_pb2.CreateAccountRequest(
                business_id=business_id, currency_code=currency_code
            )
        )
        if credit_micros:
            await self.billing.TopUpAccount(
                billing_service_pb2.TopUpAccountRequest(
                    top_up_id=str(new_id()),
                    business_id=business_id,
                    amount=account_pb2.Money(
                        currency_code=currency_code, amount_micros=credit_micros
                    ),
                )
            )
        return business_id, key.secret

    async def ensure_rates(self, rates: list[account_pb2.Rate]) -> None:
        """Adds the rates of a currency, unless it has some already."""
        currency_codes = {rate.price.currency_code for rate in rates}
        listed = await self.billing.ListRates(billing_service_pb2.ListRatesRequest())
        present = {rate.price.currency_code for rate in listed.rates}
        missing = [rate for rate in rates if rate.price.currency_code in currency_codes - present]
        if missing:
            await self.billing.AddRates(billing_service_pb2.AddRatesRequest(rates=missing))

    async def check_ledger(self) -> billing_service_pb2.CheckLedgerResponse:
        """Adds the whole ledger up."""
        checked: billing_service_pb2.CheckLedgerResponse = await self.billing.CheckLedger(
            billing_service_pb2.CheckLedgerRequest(), timeout=120
        )
        return checked


class Business(Caller):
    """A business's program."""

    def __init__(self, doors: Doors, name: str, business_id: str, api_key: str) -> None:
        super().__init__(doors, api_key)
        self.name = name
        self.business_id = business_id

    async def submit_template(
        self,
        name: str,
        language_code: str,
        category: clearance_pb2.Category,
        body: str,
        examples: dict[str, str],
    ) -> None:
        """Has a wording reviewed. Raises LocalError if the review rejects it."""
        response = await self.policy.SubmitTemplate(
            policy_service_pb2.SubmitTemplateRequest(
                request_id=str(new_id()),
                business_id=self.business_id,
                name=name,
                language_code=language_code,
                category=category,
                body=body,
                examples=examples,
            )
        )
        if response.template.evidence:
            found = "; ".join(evidence.message for evidence in response.template.evidence)
            raise LocalError(f"The template {name} ({language_code}) was rejected: {found}")

    async def send(self, message: edge_service_pb2.OutgoingMessage) -> Any:
        """Sends one message; the outcome. Raises Refusal."""
        response = await self.edge.SendMessage(edge_service_pb2.SendMessageRequest(message=message))
        return response.outcome

    async def connect(self) -> None:
        """Calls the edge once, which publishes the business's keys: now people can write to it."""
        async with self.send_many() as stream:
            await stream.done_writing()
            await stream.read()

    def send_many(self) -> Stream:
        """A stream of many."""
        stream: Stream = self.edge.SendMessages()
        return stream

    async def events(self, after_cursor: int = 0) -> AsyncIterator[edge_service_pb2.Event]:
        """Everything that happens for the business, from a cursor on, over broken streams."""
        while True:
            request = edge_service_pb2.WatchEventsRequest(after_cursor=after_cursor)
            try:
                async with self.edge.WatchEvents(request) as stream:
                    async for response in stream:
                        for event in response.events:
                            yield event
                            after_cursor = event.cursor
            except Refusal as refusal:
                if refusal.reason.status.name not in ("UNAVAILABLE", "UNAUTHENTICATED"):
                    raise
            await asyncio.sleep(0.2)

    async def account(self) -> account_pb2.Account:
        """What the business has."""
        response = await self.billing.GetAccount(
            billing_service_pb2.GetAccountRequest(business_id=self.business_id)
        )
        account: account_pb2.Account = response.account
        return account


def template_message(
    phone_number: str, name: str, language_code: str, parameters: dict[str, str]
) -> edge_service_pb2.OutgoingMessage:
    """A message from a template."""
    return edge_service_pb2.OutgoingMessage(
        message_id=str(new_id()),
        phone_number=phone_number,
        kind=clearance_pb2.KIND_TEMPLATE,
        content=content_pb2.Content(
            template=content_pb2.Template(
                name=name, language_code=language_code, parameters=parameters
            )
        ),
    )


def text_message(
    phone_number: str,
    text: str,
    *,
    kind: clearance_pb2.Kind,
    category: clearance_pb2.Category = clearance_pb2.CATEGORY_UNSPECIFIED,
) -> edge_service_pb2.OutgoingMessage:
    """A message in free words."""
    return edge_service_pb2.OutgoingMessage(
        message_id=str(new_id()),
        phone_number=phone_number,
        kind=kind,
        category=category,
        content=content_pb2.Content(text=content_pb2.Text(body=text)),
    )


async def open_phone(doors: Doors, phone_number: str) -> Device:
    """This machine's device with this number, registered unless identity knows it already."""
    platform = doors.platform()
    folder = doors.state / "phones" / phone_number.lstrip("+")
    if not await is_registered(platform, folder):
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

        async def read_code() -> str:
            return await doors.read_code(phone_number)

        await register(platform, folder, phone_number, read_code, label="this machine")
    return Device(platform, folder)
