"""Owns CorrectInvoice."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from services.billing.actions.book_tax import book_tax
from services.billing.actions.get_invoice import invoice_of
from services.billing.domain.invoices import Invoice, InvoiceKind, lines_of, taxes_given_back
from services.billing.domain.terms import zone
from services.billing.errors import BillingReasons, account_not_found
from services.billing.statement_errors import invoice_refused
from services.billing.store import accounts, invoices, invoicing, parties
from services.kit.database import Connection, Database


async def correct_invoice(
    database: Database, credit_note_id: UUID, business_id: UUID, number: str
) -> Invoice:
    """A credit note over what the ledger has given back of an invoice and stands on no document.

    Issued now, or before under the same id. Refuses with ACCOUNT_NOT_FOUND, INVOICE_NOT_FOUND,
    NOTHING_TO_CREDIT and CREDIT_NOTE_ID_REUSED.
    """

    async def correct(connection: Connection) -> Invoice:
        if not await accounts.hold_accounts(connection, [business_id]):
            raise account_not_found(business_id)
        account = await accounts.get_account(connection, business_id)
        assert account is not None  # it is held
        if issued := await invoices.get_invoice(connection, credit_note_id):
            if (issued.business_id, issued.corrects_number) != (business_id, number):
                raise invoice_refused(
                    BillingReasons.CREDIT_NOTE_ID_REUSED, credit_note_id=str(credit_note_id)
                )
            return issued
        invoice = await invoice_of(connection, business_id, number)
        now = database.clock.now()
        period = invoice.period
        corrections = [
            each
            for each in await invoicing.list_corrections(connection, business_id)
            if each.amount < 0 and period.start_time <= each.corrected_time < period.end_time
        ]
        if invoice.kind is InvoiceKind.CREDIT_NOTE or not corrections:
            raise invoice_refused(BillingReasons.NOTHING_TO_CREDIT, number=number)

        lines = lines_of([], corrections)
        net = sum(line.amount for line in lines)
        before = await invoices.list_credit_notes(connection, invoice.invoice_id)
        taxes = taxes_given_back(net, invoice, before)
        owed = await book_tax(
            connection, account, credit_note_id, sum(amount for _, amount in taxes), now
        )
        issuer = await parties.get_issuer(connection, invoice.issuer_code)
        assert issuer is not None  # it has issued before
        credit_note = replace(
            invoice,
            invoice_id=credit_note_id,
            kind=InvoiceKind.CREDIT_NOTE,
            issue_time=now,
            issue_day=now.astimezone(zone(issuer.time_zone)).date(),
            corrects_number=number,
            lines=lines,
            net=net,
            taxes=taxes,
            owed=owed,
        )
        given = await invoices.insert_invoice(
            connection, credit_note, invoice.invoice_id, [each.entry_id for each in corrections]
        )
        return replace(credit_note, number=given)

    return await database.run("correct_invoice", correct)
