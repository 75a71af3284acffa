"""Owns the rows of credit notes and of what corrects charges, and the reading of charges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.billing.domain.corrections import Adjustment, Charge, CreditNote, Step
from services.billing.domain.ledger import EntryType, LedgerAccount
from services.billing.domain.money import Money
from services.billing.domain.pricing import Shipment
from services.billing.domain.rates import Category, Channel
from services.kit.database import Connection


async def find_charges(
    connection: Connection, keys: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], Charge]:
    """The entries of these businesses and numbers that charged a message."""
    rows = await connection.fetch(
        """
        SELECT entries.business_id, entries.entry_id, reference_id, type::text, category::text,
            currency_code, charged_by(entries.business_id, entries.entry_id)
        FROM unnest($1::uuid[], $2::bigint[]) AS asked (business_id, entry_id)
        JOIN entries
            ON entries.business_id = asked.business_id AND entries.entry_id = asked.entry_id
        WHERE type IN ('capture', 'late_capture')
        """,
        [business_id for business_id, _ in keys],
        [entry_id for _, entry_id in keys],
    )
    return {(row[0], row[1]): _charge(row) for row in rows}


async def find_credit_note(connection: Connection, credit_note_id: UUID) -> CreditNote | None:
    """The credit note of this id, for whichever business."""
    row = await connection.fetchrow(
        """
        SELECT business_id, entry_id, amount_micros, reason, currency_code
        FROM credit_notes JOIN accounts USING (business_id)
        WHERE credit_note_id = $1
        """,
        credit_note_id,
    )
    if row is None:
        return None
    return CreditNote(credit_note_id, row[0], row[1], Money(row[4], row[2]), row[3])


async def insert_credit_note(
    connection: Connection, note: CreditNote, charge: Charge, side: LedgerAccount, now: datetime
) -> None:
    """Give the money back. The business's account has to be held."""
    await connection.execute(
        """
        INSERT INTO credit_notes
            (credit_note_id, business_id, entry_id, amount_micros, reason, create_time)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        note.credit_note_id,
        note.business_id,
        note.entry_id,
        note.amount.amount_micros,
        note.reason,
        now,
    )
    adjustment = Adjustment(
        note.credit_note_id,
        charge,
        LedgerAccount.ADJUSTMENTS,
        side,
        note.amount.amount_micros,
    )
    await insert_corrections(connection, EntryType.CREDIT_NOTE, [adjustment], now)


async def insert_corrections(
    connection: Connection, type_: EntryType, corrections: Sequence[Adjustment], now: datetime
) -> None:
    """Book corrections, with what the entries that they correct say of their messages.

    The businesses' accounts have to be held.
    """
    await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, category, channel, market, units, usage_day, corrects_entry_id,
             create_time)
        SELECT charge.business_id, $1::text::entry_type, added.from_account::ledger_account,
            added.to_account::ledger_account, added.amount_micros, charge.currency_code,
            added.reference_id, charge.category, charge.channel, charge.market, charge.units,
            charge.usage_day, charge.entry_id, $8
        FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::bigint[])
            AS added (
                business_id, entry_id, reference_id, from_account, to_account, amount_micros
            )
        JOIN entries AS charge
            ON charge.business_id = added.business_id AND charge.entry_id = added.entry_id
        """,
        type_,
        [each.charge.business_id for each in corrections],
        [each.charge.entry_id for each in corrections],
        [each.adjustment_id for each in corrections],
        [each.from_account for each in corrections],
        [each.to_account for each in corrections],
        [each.amount_micros for each in corrections],
        now,
    )


async def find_booked_adjustments(
    connection: Connection, keys: Collection[tuple[UUID, UUID]]
) -> set[UUID]:
    """Those of these adjustments, each by its business and id, that are booked."""
    rows = await connection.fetch(
        """
        SELECT entries.reference_id
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, reference_id)
        JOIN entries
            ON entries.business_id = asked.business_id
            AND entries.reference_id = asked.reference_id
            AND entries.type = 'adjustment'
        """,
        [business_id for business_id, _ in keys],
        [adjustment_id for _, adjustment_id in keys],
    )
    return {row[0] for row in rows}


async def read_steps(
    connection: Connection,
    business_id: UUID,
    since: datetime,
    until: datetime,
    after: tuple[datetime, int] | None,
    count: int,
) -> list[tuple[tuple[datetime, int], Step]]:
    """At most `count` entries of a business that counted towards its volume, in their order.

    Those booked from `since` to before `until`, beyond `after`; each comes with its place.
    """
    rows = await connection.fetch(
        """
        SELECT charge.business_id, charge.entry_id, charge.reference_id, charge.type::text,
            charge.category::text, charge.currency_code,
            CASE WHEN charge.entry_id IS NOT NULL
                THEN charged_by(charge.business_id, charge.entry_id) END,
            step.type::text, step.reference_id, step.category::text,
            coalesce(step.destination_country, ''), coalesce(step.channel, 'app')::text,
            coalesce(step.units, 1), step.create_time, step.usage_day, step.entry_id
        FROM entries AS step
        LEFT JOIN entries AS charge
            ON step.rate_id IS NOT NULL
            AND step.free_rule IS NULL
            AND charge.business_id = step.business_id
            AND charge.reference_id = step.reference_id
            AND charge.type IN ('capture', 'late_capture')
        WHERE step.business_id = $1
            AND step.type IN ('reservation', 'release', 'expiry', 'late_capture')
            AND step.create_time >= $2
            AND step.create_time < $3
            AND (step.create_time, step.entry_id) > ($4, $5)
        ORDER BY step.create_time, step.entry_id
        LIMIT $6
        """,
        business_id,
        since,
        until,
        *(after or (since, 0)),
        count,
    )
    return [((row[13], row[15]), _step(row)) for row in rows]


def _step(row: asyncpg.Record) -> Step:
    shipment = Shipment(
        Category(row[9]).cleared,
        row[10],
        window_open=False,
        channel=Channel(row[11]),
        units=row[12],
    )
    charge = None if row[1] is None else _charge(row)
    return Step(EntryType(row[7]), row[8], shipment, row[13], row[14], charge)


def _charge(row: asyncpg.Record) -> Charge:
    return Charge(
        row[0], row[1], row[2], EntryType(row[3]), Category(row[4]), Money(row[5], row[6])
    )
