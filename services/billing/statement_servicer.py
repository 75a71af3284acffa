"""Owns the translation between the calls of `hudhud.billing.v1.StatementService` and actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from hudhud.billing.v1 import invoice_pb2, statement_service_pb2_grpc
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.billing import invoice_wire
from services.billing import statement_wire as wire
from services.billing.actions.correct_invoice import correct_invoice
from services.billing.actions.export_costs import export_costs
from services.billing.actions.get_billing_profile import get_billing_profile
from services.billing.actions.get_invoice import get_invoice
from services.billing.actions.get_statement import get_statement
from services.billing.actions.get_usage import get_usage
from services.billing.actions.issue_invoice import issue_invoice
from services.billing.actions.list_invoices import list_invoices
from services.billing.actions.render_invoice import render_invoice
from services.billing.actions.set_billing_profile import set_billing_profile
from services.billing.actions.set_issuer import set_issuer
from services.billing.actions.set_taxes import set_taxes
from services.kit.access import current_caller
from services.kit.database import Database


class StatementServicer(statement_service_pb2_grpc.StatementServiceServicer):
    """Translates, and decides nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def GetStatement(
        self, request: pb.GetStatementRequest, context: Any
    ) -> pb.GetStatementResponse:
        current_caller().must_act_for(request.business_id)
        statement = await get_statement(
            self._database, UUID(request.business_id), request.first_day, request.last_day
        )
        return pb.GetStatementResponse(statement=wire.statement(statement))

    async def GetUsage(self, request: pb.GetUsageRequest, context: Any) -> pb.GetUsageResponse:
        current_caller().must_act_for(request.business_id)
        usage = await get_usage(
            self._database, UUID(request.business_id), request.first_day, request.last_day
        )
        return pb.GetUsageResponse(
            series=[wire.series(key, points, usage.currency_code) for key, points in usage.series]
        )

    async def SetIssuer(self, request: pb.SetIssuerRequest, context: Any) -> pb.SetIssuerResponse:
        issuer = invoice_wire.read_issuer(request.issuer)
        await set_issuer(self._database, issuer)
        return pb.SetIssuerResponse(
            issuer=invoice_pb2.Issuer(
                issuer_code=issuer.issuer_code,
                party=invoice_wire.party(issuer.party),
                time_zone=issuer.time_zone,
            )
        )

    async def SetTaxes(self, request: pb.SetTaxesRequest, context: Any) -> pb.SetTaxesResponse:
        await set_taxes(self._database, invoice_wire.read_taxes(request))
        return pb.SetTaxesResponse()

    async def SetBillingProfile(
        self, request: pb.SetBillingProfileRequest, context: Any
    ) -> pb.SetBillingProfileResponse:
        current_caller().must_act_for(request.business_id)
        party = invoice_wire.read_party(request.party, "party")
        await set_billing_profile(self._database, UUID(request.business_id), party)
        return pb.SetBillingProfileResponse(party=invoice_wire.party(party))

    async def GetBillingProfile(
        self, request: pb.GetBillingProfileRequest, context: Any
    ) -> pb.GetBillingProfileResponse:
        current_caller().must_act_for(request.business_id)
        party = await get_billing_profile(self._database, UUID(request.business_id))
        return pb.GetBillingProfileResponse(party=invoice_wire.party(party))

    async def IssueInvoice(
        self, request: pb.IssueInvoiceRequest, context: Any
    ) -> pb.IssueInvoiceResponse:
        invoice = await issue_invoice(
            self._database, UUID(request.business_id), request.month, request.issuer_code
        )
        return pb.IssueInvoiceResponse(invoice=invoice_wire.invoice(invoice))

    async def CorrectInvoice(
        self, request: pb.CorrectInvoiceRequest, context: Any
    ) -> pb.CorrectInvoiceResponse:
        credit_note = await correct_invoice(
            self._database,
            UUID(request.credit_note_id),
            UUID(request.business_id),
            request.number,
        )
        return pb.CorrectInvoiceResponse(credit_note=invoice_wire.invoice(credit_note))

    async def GetInvoice(
        self, request: pb.GetInvoiceRequest, context: Any
    ) -> pb.GetInvoiceResponse:
        current_caller().must_act_for(request.business_id)
        invoice = await get_invoice(self._database, UUID(request.business_id), request.number)
        return pb.GetInvoiceResponse(invoice=invoice_wire.invoice(invoice))

    async def ListInvoices(
        self, request: pb.ListInvoicesRequest, context: Any
    ) -> pb.ListInvoicesResponse:
        current_caller().must_act_for(request.business_id)
        invoices, next_page_token = await list_invoices(
            self._database, UUID(request.business_id), request.page_size, request.page_token
        )
        return pb.ListInvoicesResponse(
            invoices=map(invoice_wire.invoice, invoices), next_page_token=next_page_token
        )

    async def RenderInvoice(
        self, request: pb.RenderInvoiceRequest, context: Any
    ) -> pb.RenderInvoiceResponse:
        current_caller().must_act_for(request.business_id)
        rendered = await render_invoice(
            self._database,
            UUID(request.business_id),
            request.number,
            as_csv=request.format == pb.RenderInvoiceRequest.FORMAT_CSV,
            language=request.language_code or "en",
        )
        return pb.RenderInvoiceResponse(content=rendered.content, media_type=rendered.media_type)

    async def ExportCosts(
        self, request: pb.ExportCostsRequest, context: Any
    ) -> AsyncIterator[pb.ExportCostsResponse]:
        current_caller().must_act_for(request.business_id)
        for part in await export_costs(self._database, UUID(request.business_id), request.month):
            yield pb.ExportCostsResponse(csv=part.encode())
