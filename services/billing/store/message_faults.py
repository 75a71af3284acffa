"""Owns what must not be found of any message: reserved, resolved once, charged as delivered."""

from __future__ import annotations

from typing import Final

# In words, and the query that finds it, with the words for each case.
MESSAGE_FAULTS: Final = {
    "messages resolved more than once": """
        SELECT format('message %s of %s, %s times', reference_id, business_id, count(*))
        FROM entries
        WHERE type IN ('capture', 'release', 'expiry')
        GROUP BY business_id, reference_id
        HAVING count(*) > 1
    """,
    "resolutions that are not of a reservation as it was made": """
        SELECT format('entry %s of %s', resolution.entry_id, resolution.business_id)
        FROM entries AS resolution
        LEFT JOIN entries AS reservation
            ON reservation.business_id = resolution.business_id
            AND reservation.reference_id = resolution.reference_id
            AND reservation.type = 'reservation'
        WHERE resolution.type IN ('capture', 'release', 'expiry', 'late_capture')
            AND (
                (reservation.amount_micros, reservation.currency_code, reservation.category)
                    IS DISTINCT FROM
                    (resolution.amount_micros, resolution.currency_code, resolution.category)
                -- The previous release did not say more.
                OR resolution.usage_day IS NOT NULL
                AND (reservation.channel, reservation.market, reservation.units,
                        reservation.usage_day, reservation.free_rule)
                    IS DISTINCT FROM
                    (resolution.channel, resolution.market, resolution.units,
                        resolution.usage_day, resolution.free_rule)
                OR resolution.type IN ('release', 'expiry')
                AND resolution.to_account <> reservation.from_account
            )
    """,
    "late captures of what had not expired": """
        SELECT format('entry %s of %s', late.entry_id, late.business_id)
        FROM entries AS late
        LEFT JOIN entries AS expiry
            ON expiry.business_id = late.business_id
            AND expiry.reference_id = late.reference_id
            AND expiry.type = 'expiry'
        WHERE late.type = 'late_capture'
            AND (expiry.entry_id IS NULL OR expiry.entry_id > late.entry_id)
    """,
    "reservations that are neither resolved nor open, or both": """
        SELECT format('message %s of %s', coalesce(message_id, reference_id), business_id)
        FROM (
            SELECT business_id, reference_id, sum(amount_micros) AS amount_micros
            FROM (
                SELECT business_id, reference_id, type,
                    CASE type WHEN 'reservation' THEN amount_micros ELSE 0 END AS amount_micros
                FROM entries
                WHERE type IN ('reservation', 'capture', 'release', 'expiry')
            ) AS steps
            GROUP BY business_id, reference_id
            HAVING count(*) FILTER (WHERE type <> 'reservation') = 0
        ) AS pending
        FULL JOIN (
            SELECT business_id, message_id, message_id AS reference_id, amount_micros
            FROM open_reservations
        ) AS held USING (business_id, reference_id)
        WHERE held.amount_micros IS DISTINCT FROM pending.amount_micros
    """,
    "messages charged that nobody said were delivered": """
        SELECT format('message %s of %s', reference_id, entries.business_id)
        FROM entries
        LEFT JOIN receipts
            ON receipts.business_id = entries.business_id
            AND receipts.message_id = entries.reference_id
            AND receipts.delivered
        WHERE type IN ('capture', 'late_capture')
            AND receipts.message_id IS NULL
            AND entry_id > (SELECT entry_id FROM receipts_begin)
    """,
    "messages delivered that were never charged": """
        SELECT format('message %s of %s', receipts.message_id, receipts.business_id)
        FROM receipts
        LEFT JOIN entries
            ON entries.business_id = receipts.business_id
            AND entries.reference_id = receipts.message_id
            AND entries.type IN ('capture', 'late_capture')
        LEFT JOIN unsettled_receipts AS unsettled
            ON unsettled.business_id = receipts.business_id
            AND unsettled.message_id = receipts.message_id
            AND unsettled.wanted = 'capture'
        WHERE receipts.delivered AND entries.entry_id IS NULL AND unsettled.message_id IS NULL
    """,
    "messages whose receipt could not be booked": """
        SELECT format(
            'message %s of %s: %s, but %s',
            message_id,
            business_id,
            CASE wanted WHEN 'capture' THEN 'delivered' ELSE 'refused or given up' END,
            CASE found
                WHEN 'capture' THEN 'captured before'
                WHEN 'release' THEN 'released before'
                WHEN 'expiry' THEN 'its reservation had expired'
                ELSE 'never reserved'
            END
        )
        FROM unsettled_receipts
    """,
}
