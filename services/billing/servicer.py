"""Owns the translation between the calls of `hudhud.billing.v1` and billing's actions."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from hudhud.billing.v1 import billing_service_pb2 as pb
from hudhud.billing.v1 import billing_service_pb2_grpc
from services.billing import statement_wire, wire
from services.billing.actions.add_rates import add_rates
from services.billing.actions.check_ledger import check_ledger
from services.billing.actions.check_rate_card import check_rate_card
from services.billing.actions.create_account import create_account
from services.billing.actions.create_reservations import create_reservations
from services.billing.actions.export_rate_card import export_rate_card
from services.billing.actions.get_account import get_account
from services.billing.actions.import_rate_card import import_rate_card
from services.billing.actions.list_entries import list_entries
from services.billing.actions.list_rates import list_rates
from services.billing.actions.quote import quote
from services.billing.actions.set_account_terms import set_account_terms
from services.billing.actions.set_spending_limits import set_spending_limits
from services.billing.actions.top_up_account import top_up_account
from services.billing.domain.money import Money
from services.billing.domain.pricing import Quotation
from services.billing.domain.rate_card import RateCard
from services.billing.domain.reservations import ReservationItem
from services.kit import rules
from services.kit.access import current_caller
from services.kit.coalesce import Coalescer
from services.kit.database import Database
from services.kit.errors import Refusal, Violation

# One transaction of this size holds the accounts in it for some ten milliseconds.
_RESERVED_AT_ONCE_MAX: Final = 1000


class BillingServicer(billing_service_pb2_grpc.BillingServiceServicer):
    """Translates, and lets calls that arrive together share a transaction."""

    def __init__(self, database: Database, card: RateCard) -> None:
        self._database = database

        async def reserve(items: list[ReservationItem]) -> list[Money | Refusal]:
            return await create_reservations(database, card, items)

        # Two at once: while one waits for the disk, the next is decided, unless it needs the same
        # accounts.
        self._reserving: Coalescer[ReservationItem, Money] = Coalescer(
            reserve, items_max=_RESERVED_AT_ONCE_MAX, in_flight_max=2, name="reserve"
        )

    async def CreateAccount(
        self, request: pb.CreateAccountRequest, context: Any
    ) -> pb.CreateAccountResponse:
        account = await create_account(
            self._database,
            UUID(request.business_id),
            request.currency_code,
            request.time_zone or None,
            request.country_code or None,
        )
        return pb.CreateAccountResponse(account=wire.account(account))

    async def GetAccount(
        self, request: pb.GetAccountRequest, context: Any
    ) -> pb.GetAccountResponse:
        current_caller().must_act_for(request.business_id)
        account = await get_account(self._database, UUID(request.business_id))
        return pb.GetAccountResponse(account=wire.account(account))

    async def SetAccountTerms(
        self, request: pb.SetAccountTermsRequest, context: Any
    ) -> pb.SetAccountTermsResponse:
        account = await set_account_terms(
            self._database,
            UUID(request.business_id),
            lambda account: wire.read_terms(request.terms, account.currency_code, "terms"),
        )
        return pb.SetAccountTermsResponse(account=wire.account(account))

    async def SetSpendingLimits(
        self, request: pb.SetSpendingLimitsRequest, context: Any
    ) -> pb.SetSpendingLimitsResponse:
        current_caller().must_act_for(request.business_id)
        if request.limits.HasField("credit_limit"):
            raise rules.refusal([Violation("limits.credit_limit", "must be absent")])
        account = await set_spending_limits(
            self._database,
            UUID(request.business_id),
            lambda account: wire.read_terms(request.limits, account.currency_code, "limits"),
        )
        return pb.SetSpendingLimitsResponse(account=wire.account(account))

    async def TopUpAccount(
        self, request: pb.TopUpAccountRequest, context: Any
    ) -> pb.TopUpAccountResponse:
        top_up = wire.read_top_up(request, self._database.clock.now())
        account = await top_up_account(self._database, top_up)
        return pb.TopUpAccountResponse(account=wire.account(account))

    async def AddRates(self, request: pb.AddRatesRequest, context: Any) -> pb.AddRatesResponse:
        added = [wire.read_new_rate(rate, index) for index, rate in enumerate(request.rates)]
        rates = await add_rates(self._database, added)
        return pb.AddRatesResponse(rates=map(wire.rate, rates))

    async def ListRates(self, request: pb.ListRatesRequest, context: Any) -> pb.ListRatesResponse:
        at = wire.read_time(request.at_time, "at_time") if request.HasField("at_time") else None
        rates, next_page_token = await list_rates(
            self._database, at, request.page_size, request.page_token
        )
        return pb.ListRatesResponse(rates=map(wire.rate, rates), next_page_token=next_page_token)

    async def CheckRateCard(
        self, request: pb.CheckRateCardRequest, context: Any
    ) -> pb.CheckRateCardResponse:
        faults = await check_rate_card(self._database, request.currency_code, request.csv)
        return pb.CheckRateCardResponse(faults=map(wire.card_fault, faults))

    async def ImportRateCard(
        self, request: pb.ImportRateCardRequest, context: Any
    ) -> pb.ImportRateCardResponse:
        card = await import_rate_card(
            self._database, request.name, request.currency_code, request.csv
        )
        return pb.ImportRateCardResponse(
            name=card.name,
            create_time=card.create_time,
            rate_count=card.rate_count,
            rule_count=card.rule_count,
        )

    async def ExportRateCard(
        self, request: pb.ExportRateCardRequest, context: Any
    ) -> pb.ExportRateCardResponse:
        at = wire.read_time(request.at_time, "at_time") if request.HasField("at_time") else None
        text = await export_rate_card(self._database, request.currency_code, at)
        return pb.ExportRateCardResponse(csv=text)

    async def Quote(self, request: pb.QuoteRequest, context: Any) -> pb.QuoteResponse:
        current_caller().must_act_for(request.business_id)
        quotations = await quote(
            self._database,
            UUID(request.business_id),
            [wire.read_shipment(item) for item in request.items],
        )
        return pb.QuoteResponse(outcomes=map(_quote_outcome, quotations))

    @rules.judged_apart("items")
    async def CreateReservations(
        self, request: pb.CreateReservationsRequest, context: Any
    ) -> pb.CreateReservationsResponse:
        read = [_read_item(item) for item in request.items]
        outcomes = iter(
            await self._reserving.submit_many(
                [item for item in read if not isinstance(item, Refusal)]
            )
        )
        return pb.CreateReservationsResponse(
            outcomes=[
                _outcome(item if isinstance(item, Refusal) else next(outcomes)) for item in read
            ]
        )

    async def ListEntries(
        self, request: pb.ListEntriesRequest, context: Any
    ) -> pb.ListEntriesResponse:
        current_caller().must_act_for(request.business_id)
        entries, next_page_token = await list_entries(
            self._database,
            UUID(request.business_id),
            UUID(request.reference_id) if request.reference_id else None,
            request.page_size,
            request.page_token,
            *statement_wire.read_filter(request),
        )
        return pb.ListEntriesResponse(
            entries=map(wire.entry, entries), next_page_token=next_page_token
        )

    async def CheckLedger(
        self, request: pb.CheckLedgerRequest, context: Any
    ) -> pb.CheckLedgerResponse:
        overdue_after = None
        if request.HasField("overdue_after"):
            overdue_after = request.overdue_after.ToTimedelta()
        checked = await check_ledger(self._database, overdue_after)
        return pb.CheckLedgerResponse(
            currencies=map(wire.currency_check, checked.currencies), faults=checked.faults
        )


def _read_item(item: pb.ReservationItem) -> ReservationItem | Refusal:
    """The item, or why it makes no sense."""
    if violations := rules.violations(item):
        return rules.refusal(violations)
    try:
        return wire.read_item(item)
    except Refusal as refusal:
        return refusal


def _quote_outcome(outcome: Quotation | Refusal) -> pb.QuoteOutcome:
    if isinstance(outcome, Refusal):
        return pb.QuoteOutcome(refusal=outcome.to_proto())
    return pb.QuoteOutcome(quotation=wire.quotation(outcome))


def _outcome(outcome: Money | Exception) -> pb.ReservationOutcome:
    """The outcome of one item. A fault is no item's own: it is raised, and the call fails."""
    if isinstance(outcome, Refusal):
        return pb.ReservationOutcome(refusal=outcome.to_proto())
    if isinstance(outcome, Exception):
        raise outcome
    return pb.ReservationOutcome(price=wire.money(outcome))
