"""Owns IssueInvoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.billing.actions.book_tax import book_tax
from services.billing.domain.invoices import (
    CLOSED_AFTER,
    Invoice,
    InvoiceKind,
    Issuer,
    Party,
    TaxSet,
    invoice_id_of,
    lines_of,
    taxes_of,
)
from services.billing.domain.ledger import Account
from services.billing.domain.periods import Period
from services.billing.domain.terms import zone
from services.billing.errors import BillingReasons, account_not_found
from services.billing.statement_errors import invoice_refused, period_invalid
from services.billing.store import accounts, invoices, invoicing, parties
from services.kit.database import Connection, Database


async def issue_invoice(
    database: Database, business_id: UUID, month: str, issuer_code: str
) -> Invoice:
    """The invoice of a business's month: issued now, or before by the same issuer.

    Refuses with ACCOUNT_NOT_FOUND, PERIOD_INVALID, MONTH_NOT_OVER, ISSUER_NOT_FOUND,
    BILLING_PROFILE_MISSING, TAXES_MISSING, EARLIER_MONTH_OPEN, NOTHING_TO_INVOICE and
    MONTH_CLOSED.
    """

    async def issue(connection: Connection) -> Invoice:
        account = await accounts.get_account(connection, business_id)
        if account is None:
            raise account_not_found(business_id)
        try:
            period = Period.month(month, account.time_zone)
        except ValueError as error:
            raise period_invalid(str(error)) from None
        invoice_id = invoice_id_of(business_id, period.first)
        if issued := await invoices.get_invoice(connection, invoice_id):
            return _issued_before(issued, issuer_code)
        now = database.clock.now()
        if now < period.end_time + CLOSED_AFTER:
            raise invoice_refused(BillingReasons.MONTH_NOT_OVER, month=month)
        issuer, buyer, taxes = await _sides(connection, business_id, issuer_code, period)

        # Most is added up before the account is held, so that nobody waits for it; then what came
        # meanwhile, of which an hour after the month there is hardly ever anything.
        start, end = period.start_time, period.end_time
        upto = await invoicing.newest_entry_id(connection, business_id)
        lines = await invoicing.sum_captures(connection, business_id, start, end, 0, upto)
        await accounts.hold_accounts(connection, [business_id])
        lines += await invoicing.sum_captures(connection, business_id, start, end, upto, 2**63 - 1)
        if issued := await invoices.get_invoice(connection, invoice_id):
            return _issued_before(issued, issuer_code)
        closed = await invoices.last_closed(connection, business_id)
        if closed and closed[0] > period.first:
            raise invoice_refused(BillingReasons.MONTH_CLOSED, month=month)
        if await invoicing.has_charges(connection, business_id, closed and closed[1], start):
            raise invoice_refused(BillingReasons.EARLIER_MONTH_OPEN, month=month)
        # What is given back of a month that is invoiced already goes onto a credit note.
        corrections = [
            each
            for each in await invoicing.list_corrections(connection, business_id, end)
            if each.amount > 0 or each.corrected_time >= start
        ]
        if not lines and not corrections:
            raise invoice_refused(BillingReasons.NOTHING_TO_INVOICE, month=month)

        now = database.clock.now()
        invoice = _drawn_up(account, period, issuer, buyer, taxes, now)
        all_lines = lines_of(lines, corrections)
        net = sum(line.amount for line in all_lines)
        with_tax = taxes_of(net, taxes.taxes)
        owed = await book_tax(
            connection, account, invoice_id, sum(amount for _, amount in with_tax), now
        )
        invoice = replace(invoice, lines=all_lines, net=net, taxes=with_tax, owed=owed)
        number = await invoices.insert_invoice(
            connection, invoice, None, [each.entry_id for each in corrections]
        )
        return replace(invoice, number=number)

    return await database.run("issue_invoice", issue)


def _issued_before(invoice: Invoice, issuer_code: str) -> Invoice:
    if invoice.issuer_code != issuer_code:
        raise invoice_refused(BillingReasons.MONTH_CLOSED, number=invoice.number_text)
    return invoice


async def _sides(
    connection: Connection, business_id: UUID, issuer_code: str, period: Period
) -> tuple[Issuer, Party, TaxSet]:
    issuer = await parties.get_issuer(connection, issuer_code)
    if issuer is None:
        raise invoice_refused(BillingReasons.ISSUER_NOT_FOUND, issuer_code=issuer_code)
    buyer = await parties.get_profile(connection, business_id)
    if buyer is None:
        raise invoice_refused(BillingReasons.BILLING_PROFILE_MISSING, business_id=str(business_id))
    taxes = await parties.find_taxes(connection, issuer_code, buyer.country_code, period.last)
    if taxes is None:
        raise invoice_refused(
            BillingReasons.TAXES_MISSING,
            issuer_code=issuer_code,
            country_code=buyer.country_code,
            day=str(period.last),
        )
    return issuer, buyer, taxes


def _drawn_up(
    account: Account, period: Period, issuer: Issuer, buyer: Party, taxes: TaxSet, now: datetime
) -> Invoice:
    """The document, before it is filled in."""
    return Invoice(
        invoice_id=invoice_id_of(account.business_id, period.first),
        business_id=account.business_id,
        kind=InvoiceKind.INVOICE,
        issuer_code=issuer.issuer_code,
        number=0,
        issue_time=now,
        issue_day=now.astimezone(zone(issuer.time_zone)).date(),
        period=period,
        corrects_number="",
        currency_code=account.currency_code,
        seller=issuer.party,
        buyer=buyer,
        lines=(),
        net=0,
        taxes=(),
        tax_note=taxes.note,
        owed=0,
    )
