"""Owns the translation between the calls of `hudhud.billing.v1.CorrectionService` and actions."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from hudhud.billing.v1 import correction_service_pb2 as pb
from hudhud.billing.v1 import correction_service_pb2_grpc, rerating_pb2
from services.billing import wire
from services.billing.actions.apply_rerating import apply_rerating
from services.billing.actions.create_credit_note import create_credit_note
from services.billing.actions.get_rerating import get_rerating
from services.billing.actions.list_rerating_items import list_rerating_items
from services.billing.actions.propose_rerating import propose_rerating
from services.billing.actions.reject_rerating import reject_rerating
from services.billing.domain.corrections import (
    CreditNote,
    Proposal,
    Rerating,
    ReratingItem,
    ReratingState,
)
from services.billing.domain.money import Money
from services.kit.database import Database

_STATES: Final = {
    ReratingState.PROPOSED: rerating_pb2.Rerating.STATE_PROPOSED,
    ReratingState.APPLIED: rerating_pb2.Rerating.STATE_APPLIED,
    ReratingState.REJECTED: rerating_pb2.Rerating.STATE_REJECTED,
}


class CorrectionServicer(correction_service_pb2_grpc.CorrectionServiceServicer):
    """Translates, and decides nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateCreditNote(
        self, request: pb.CreateCreditNoteRequest, context: Any
    ) -> pb.CreateCreditNoteResponse:
        note = CreditNote(
            UUID(request.credit_note_id),
            UUID(request.business_id),
            request.entry_id,
            wire.read_money(request.amount),
            request.reason,
        )
        account = await create_credit_note(self._database, note)
        return pb.CreateCreditNoteResponse(account=wire.account(account))

    async def ProposeRerating(
        self, request: pb.ProposeReratingRequest, context: Any
    ) -> pb.ProposeReratingResponse:
        proposal = Proposal(
            UUID(request.rerating_id),
            request.currency_code,
            wire.read_time(request.from_time, "from_time"),
            wire.read_time(request.to_time, "to_time"),
            sha256(request.csv.encode()).digest(),
            request.reason,
        )
        made = await propose_rerating(self._database, proposal, request.csv)
        return pb.ProposeReratingResponse(rerating=_rerating(made))

    async def GetRerating(
        self, request: pb.GetReratingRequest, context: Any
    ) -> pb.GetReratingResponse:
        found = await get_rerating(self._database, UUID(request.rerating_id))
        return pb.GetReratingResponse(rerating=_rerating(found))

    async def ListReratingItems(
        self, request: pb.ListReratingItemsRequest, context: Any
    ) -> pb.ListReratingItemsResponse:
        rerating, items, next_page_token = await list_rerating_items(
            self._database, UUID(request.rerating_id), request.page_size, request.page_token
        )
        currency_code = rerating.proposal.currency_code
        return pb.ListReratingItemsResponse(
            items=[_item(item, currency_code) for item in items], next_page_token=next_page_token
        )

    async def ApplyRerating(
        self, request: pb.ApplyReratingRequest, context: Any
    ) -> pb.ApplyReratingResponse:
        applied = await apply_rerating(self._database, UUID(request.rerating_id))
        return pb.ApplyReratingResponse(rerating=_rerating(applied))

    async def RejectRerating(
        self, request: pb.RejectReratingRequest, context: Any
    ) -> pb.RejectReratingResponse:
        rejected = await reject_rerating(self._database, UUID(request.rerating_id))
        return pb.RejectReratingResponse(rerating=_rerating(rejected))


def _rerating(value: Rerating) -> rerating_pb2.Rerating:
    return rerating_pb2.Rerating(
        rerating_id=str(value.proposal.rerating_id),
        state=_STATES[value.state],
        reason=value.proposal.reason,
        from_time=value.proposal.from_time,
        to_time=value.proposal.to_time,
        item_count=value.item_count,
        charged=wire.money(value.charged),
        corrected=wire.money(value.corrected),
        create_time=value.create_time,
    )


def _item(value: ReratingItem, currency_code: str) -> rerating_pb2.ReratingItem:
    return rerating_pb2.ReratingItem(
        business_id=str(value.business_id),
        message_id=str(value.message_id),
        entry_id=value.entry_id,
        charged=wire.money(Money(currency_code, value.charged_micros)),
        corrected=wire.money(Money(currency_code, value.corrected_micros)),
    )
