"""Owns the rows of invoices and credit notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.billing.domain.invoices import (
    Invoice,
    InvoiceKind,
    InvoiceLine,
    NumberParts,
    Tax,
    number_text,
)
from services.billing.domain.periods import Period
from services.billing.store.parties import party_columns, read_party
from services.billing.store.statements import movement_key
from services.kit.database import Connection


async def get_invoice(connection: Connection, invoice_id: UUID) -> Invoice | None:
    """The document of this id, if there is one."""
    row = await connection.fetchrow("SELECT * FROM documents WHERE invoice_id = $1", invoice_id)
    return None if row is None else _invoice(row, await _lines(connection, invoice_id))


async def find_invoice(
    connection: Connection, business_id: UUID, parts: NumberParts
) -> Invoice | None:
    """The business's document of this number, if there is one."""
    row = await connection.fetchrow(
        """
        SELECT * FROM documents
        WHERE business_id = $1 AND issuer_code = $2 AND kind = $3::text::invoice_kind
            AND year = $4 AND number = $5
        """,
        business_id,
        *parts,
    )
    return None if row is None else _invoice(row, await _lines(connection, row["invoice_id"]))


async def list_invoices(
    connection: Connection, business_id: UUID, before: UUID | None, count: int
) -> list[Invoice]:
    """At most `count` documents without lines, newest first, that come after `before`."""
    rows = await connection.fetch(
        """
        SELECT * FROM documents
        WHERE business_id = $1
            AND ($2::uuid IS NULL OR (issue_time, invoice_id) < (
                SELECT issue_time, invoice_id FROM invoices
                WHERE business_id = $1 AND invoice_id = $2
            ))
        ORDER BY issue_time DESC, invoice_id DESC
        LIMIT $3
        """,
        business_id,
        before,
        count,
    )
    return [_invoice(row, ()) for row in rows]


async def list_credit_notes(connection: Connection, invoice_id: UUID) -> list[Invoice]:
    """Every credit note of an invoice, without lines, oldest first."""
    rows = await connection.fetch(
        """
        SELECT * FROM documents
        WHERE corrects_invoice_id = $1
        ORDER BY year, number
        """,
        invoice_id,
    )
    return [_invoice(row, ()) for row in rows]


async def last_closed(connection: Connection, business_id: UUID) -> tuple[date, datetime] | None:
    """The newest month of the business that is closed, and when it ended."""
    row = await connection.fetchrow(
        """
        SELECT month, end_time FROM invoices
        WHERE business_id = $1 AND kind = 'invoice'
        ORDER BY month DESC
        LIMIT 1
        """,
        business_id,
    )
    return None if row is None else (row[0], row[1])


async def insert_invoice(
    connection: Connection,
    invoice: Invoice,
    corrects_invoice_id: UUID | None,
    correction_ids: Sequence[int],
) -> int:
    """Issue a document; tell the number that it was given.

    The business's account has to be held. Nobody else is given a number until the transaction ends.
    """
    number: int = await connection.fetchval(
        """
        INSERT INTO invoices
            (invoice_id, business_id, kind, issuer_code, year, number, issue_time, issue_day,
             month, time_zone, start_time, end_time, corrects_invoice_id, currency_code,
             net_micros, tax_names, tax_rates_ppm, tax_amounts_micros, tax_note, owed_micros,
             seller_legal_name, seller_address_lines, seller_country_code, seller_tax_id,
             buyer_legal_name, buyer_address_lines, buyer_country_code, buyer_tax_id)
        VALUES ($1, $2, $3::text::invoice_kind, $4, $5, 0, $6, $7, $8, $9, $10, $11, $12, $13, $14,
            $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)
        RETURNING number
        """,
        invoice.invoice_id,
        invoice.business_id,
        invoice.kind,
        invoice.issuer_code,
        invoice.issue_day.year,
        invoice.issue_time,
        invoice.issue_day,
        invoice.period.first,
        invoice.period.time_zone,
        invoice.period.start_time,
        invoice.period.end_time,
        corrects_invoice_id,
        invoice.currency_code,
        invoice.net,
        [tax.name for tax, _ in invoice.taxes],
        [tax.rate_ppm for tax, _ in invoice.taxes],
        [amount for _, amount in invoice.taxes],
        invoice.tax_note,
        invoice.owed,
        *party_columns(invoice.seller),
        *party_columns(invoice.buyer),
    )
    await connection.executemany(
        """
        INSERT INTO invoice_lines
            (invoice_id, position, type, category, channel, market, free_rule, unit_price_micros,
             message_count, units, list_micros, amount_micros)
        VALUES ($1, $2, $3::text::entry_type, $4::text::category, $5::text::channel, $6,
            $7::text::free_rule, $8, $9, $10, $11, $12)
        """,
        [
            (invoice.invoice_id, position, *line.key, *line[1:])
            for position, line in enumerate(invoice.lines, start=1)
        ],
    )
    await connection.execute(
        """
        INSERT INTO invoiced_corrections (business_id, entry_id, invoice_id)
        SELECT $1, entry_id, $2 FROM unnest($3::bigint[]) AS entry_id
        """,
        invoice.business_id,
        invoice.invoice_id,
        correction_ids,
    )
    return number


async def _lines(connection: Connection, invoice_id: UUID) -> tuple[InvoiceLine, ...]:
    rows = await connection.fetch(
        """
        SELECT type::text, category::text, channel::text, market, free_rule::text,
            unit_price_micros, message_count, units, list_micros, amount_micros
        FROM invoice_lines
        WHERE invoice_id = $1
        ORDER BY position
        """,
        invoice_id,
    )
    return tuple(InvoiceLine(movement_key(row[:5]), *row[5:]) for row in map(tuple, rows))


def _invoice(row: asyncpg.Record, lines: tuple[InvoiceLine, ...]) -> Invoice:
    first = row["month"]
    next_month = (first + timedelta(days=31)).replace(day=1)
    corrected: Any = row["corrected_number"]
    return Invoice(
        invoice_id=row["invoice_id"],
        business_id=row["business_id"],
        kind=InvoiceKind(row["kind"]),
        issuer_code=row["issuer_code"],
        number=row["number"],
        issue_time=row["issue_time"],
        issue_day=row["issue_day"],
        period=Period(first, next_month - timedelta(days=1), row["time_zone"]),
        corrects_number=(
            number_text(
                row["corrected_issuer"], InvoiceKind.INVOICE, row["corrected_year"], corrected
            )
            if corrected
            else ""
        ),
        currency_code=row["currency_code"],
        seller=_party(row, "seller"),
        buyer=_party(row, "buyer"),
        lines=lines,
        net=row["net_micros"],
        taxes=tuple(
            (Tax(name, rate), amount)
            for name, rate, amount in zip(
                row["tax_names"], row["tax_rates_ppm"], row["tax_amounts_micros"], strict=True
            )
        ),
        tax_note=row["tax_note"],
        owed=row["owed_micros"],
    )


def _party(row: asyncpg.Record, side: str) -> Any:
    columns = ("legal_name", "address_lines", "country_code", "tax_id")
    legal_name, address_lines, country_code, tax_id = (row[f"{side}_{each}"] for each in columns)
    return read_party((legal_name, address_lines, country_code, tax_id))
