"""Owns the reading of what a month cost, by day."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.costs import Charge, CostCorrection
from services.billing.domain.invoices import Invoice
from services.billing.domain.periods import Period
from services.billing.store.invoices import get_invoice
from services.billing.store.statements import movement_key
from services.kit.database import Connection


async def read_charges(connection: Connection, business_id: UUID, period: Period) -> list[Charge]:
    """What was captured on each day."""
    rows = await connection.fetch(
        """
        SELECT width_bucket(create_time, $4) AS day_number, type::text, category::text,
            channel::text, market, free_rule::text,
            amount_micros / coalesce(units, 1) AS unit_price,
            count(*), sum(coalesce(units, 1)), sum(amount_micros)::bigint
        FROM entries
        WHERE business_id = $1 AND create_time >= $2 AND create_time < $3
            AND type IN ('capture', 'late_capture')
        GROUP BY day_number, type, category, channel, market, free_rule, unit_price
        ORDER BY day_number, type, category, channel, market, free_rule, unit_price
        """,
        business_id,
        period.start_time,
        period.end_time,
        period.day_starts(),
    )
    days = list(period.days())
    return [Charge(days[row[0] - 1], movement_key(row[1:6]), *row[6:]) for row in map(tuple, rows)]


async def read_corrections(
    connection: Connection, business_id: UUID, period: Period
) -> list[CostCorrection]:
    """What was corrected in the month, and on which document it stands."""
    rows = await connection.fetch(
        """
        SELECT correction.entry_id, width_bucket(correction.create_time, $4),
            correction.type::text, corrected.category::text, corrected.channel::text,
            corrected.market, corrected.free_rule::text,
            CASE correction.from_account WHEN 'adjustments' THEN -1 ELSE 1 END
                * correction.amount_micros,
            corrected.create_time < $2, stated.invoice_id
        FROM entries AS correction
        JOIN entries AS corrected
            ON corrected.business_id = $1 AND corrected.entry_id = correction.corrects_entry_id
        LEFT JOIN invoiced_corrections AS stated
            ON stated.business_id = $1 AND stated.entry_id = correction.entry_id
        WHERE correction.business_id = $1 AND correction.corrects_entry_id IS NOT NULL
            AND correction.create_time >= $2 AND correction.create_time < $3
        ORDER BY correction.entry_id
        """,
        business_id,
        period.start_time,
        period.end_time,
        period.day_starts(),
    )
    days = list(period.days())
    return [
        CostCorrection(row[0], days[row[1] - 1], movement_key(row[2:7]), *row[7:])
        for row in map(tuple, rows)
    ]


async def list_documents(
    connection: Connection, business_id: UUID, period: Period
) -> list[Invoice]:
    """The month's invoice, the credit notes issued in it, and those its corrections stand on."""
    rows = await connection.fetch(
        """
        SELECT invoice_id FROM invoices
        WHERE business_id = $1 AND (
            kind = 'invoice' AND month = $4
            OR kind = 'credit_note' AND issue_time >= $2 AND issue_time < $3
            OR invoice_id IN (
                SELECT stated.invoice_id
                FROM invoiced_corrections AS stated
                JOIN entries
                    ON entries.business_id = $1 AND entries.entry_id = stated.entry_id
                    AND entries.create_time >= $2 AND entries.create_time < $3
                WHERE stated.business_id = $1
            )
        )
        ORDER BY issue_time, invoice_id
        """,
        business_id,
        period.start_time,
        period.end_time,
        period.first,
    )
    documents = [await get_invoice(connection, row[0]) for row in rows]
    return [document for document in documents if document is not None]
