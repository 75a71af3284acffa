"""Owns what of the ledger goes onto invoices, and the booking of their tax."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.billing.domain.invoices import Correction, InvoiceLine, charged
from services.billing.domain.ledger import LedgerAccount
from services.billing.domain.money import Money
from services.billing.store.statements import movement_key
from services.kit.database import Connection


async def newest_entry_id(connection: Connection, business_id: UUID) -> int:
    """The number of the business's newest entry."""
    newest: int = await connection.fetchval(
        "SELECT coalesce(max(entry_id), 0) FROM entries WHERE business_id = $1", business_id
    )
    return newest


async def sum_captures(
    connection: Connection,
    business_id: UUID,
    start: datetime,
    end: datetime,
    after: int,
    upto: int,
) -> list[InvoiceLine]:
    """What was captured in a time, of the entries after one and up to another.

    The price of a message is that of one unit times its units, so nothing is rounded here.
    """
    rows = await connection.fetch(
        """
        SELECT type::text, category::text, channel::text, market, free_rule::text,
            amount_micros / coalesce(units, 1) AS unit_price, count(*),
            sum(coalesce(units, 1)), sum(amount_micros)::bigint
        FROM entries
        WHERE business_id = $1 AND create_time >= $2 AND create_time < $3
            AND entry_id > $4 AND entry_id <= $5
            AND type IN ('capture', 'late_capture')
        GROUP BY type, category, channel, market, free_rule, unit_price
        """,
        business_id,
        start,
        end,
        after,
        upto,
    )
    lines = []
    for row in map(tuple, rows):
        key = movement_key(row[:5])
        unit_price, count, units, listed = row[5:]
        lines.append(InvoiceLine(key, unit_price, count, units, listed, charged(key, listed)))
    return lines


async def list_corrections(
    connection: Connection, business_id: UUID, before: datetime | None = None
) -> list[Correction]:
    """The business's corrections that stand on no document; with `before`, those booked by then."""
    rows = await connection.fetch(
        """
        SELECT correction.entry_id, correction.type::text, corrected.category::text,
            corrected.channel::text, corrected.market, corrected.free_rule::text,
            coalesce(corrected.units, 0),
            CASE correction.from_account WHEN 'adjustments' THEN -1 ELSE 1 END
                * correction.amount_micros,
            corrected.create_time
        FROM entries AS correction
        JOIN entries AS corrected
            ON corrected.business_id = $1 AND corrected.entry_id = correction.corrects_entry_id
        WHERE correction.business_id = $1 AND correction.corrects_entry_id IS NOT NULL
            AND ($2::timestamptz IS NULL OR correction.create_time < $2)
            AND NOT EXISTS (
                SELECT FROM invoiced_corrections AS stated
                WHERE stated.business_id = $1 AND stated.entry_id = correction.entry_id
            )
        ORDER BY correction.entry_id
        """,
        business_id,
        before,
    )
    return [Correction(row[0], movement_key(row[1:6]), *row[6:]) for row in map(tuple, rows)]


async def has_charges(
    connection: Connection, business_id: UUID, start: datetime | None, end: datetime
) -> bool:
    """Whether anything was charged in a time; without a `start`, ever before its end."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM entries
            WHERE business_id = $1 AND create_time < $3
                AND ($2::timestamptz IS NULL OR create_time >= $2)
                AND type IN ('capture', 'late_capture')
        )
        """,
        business_id,
        start,
        end,
    )
    return found


async def insert_tax(
    connection: Connection,
    invoice_id: UUID,
    business_id: UUID,
    amount: Money,
    from_account: LedgerAccount,
    to_account: LedgerAccount,
    now: datetime,
) -> None:
    """Book the tax of a document. The business's account has to be held."""
    await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, create_time)
        VALUES ($1, 'tax', $2::text::ledger_account, $3::text::ledger_account, $4, $5, $6, $7)
        """,
        business_id,
        from_account,
        to_account,
        amount.amount_micros,
        amount.currency_code,
        invoice_id,
        now,
    )
