"""Owns what must not be found in the books: balances, usage and corrections against the entries."""

from __future__ import annotations

from typing import Final

# In words, and the query that finds it, with the words for each case.
BOOK_FAULTS: Final = {
    "balances that are not the sum of their entries": """
        WITH moved AS (
            SELECT business_id, account, sum(micros) AS micros
            FROM (
                SELECT business_id, from_account AS account, -amount_micros AS micros FROM entries
                UNION ALL
                SELECT business_id, to_account, amount_micros FROM entries
            ) AS sides
            GROUP BY business_id, account
        )
        SELECT format('%s of %s is %s, its entries make %s', account, business_id,
            coalesce(balance_micros::text, 'missing'), coalesce(micros, 0))
        FROM balances FULL JOIN moved USING (business_id, account)
        WHERE balance_micros IS DISTINCT FROM coalesce(micros, 0)
    """,
    "balances below zero": """
        SELECT format('%s of %s is %s', account, business_id, balance_micros)
        FROM balances
        WHERE balance_micros < 0
            AND account NOT IN ('funding', 'receivable', 'allowance', 'adjustments')
    """,
    "accounts whose balances do not add up to zero": """
        SELECT format('those of %s make %s', business_id, sum(balance_micros))
        FROM balances
        GROUP BY business_id
        HAVING sum(balance_micros) <> 0
    """,
    "entries in another currency than their account": """
        SELECT format('entry %s of %s is in %s', entry_id, business_id, entries.currency_code)
        FROM entries LEFT JOIN accounts USING (business_id)
        WHERE accounts.currency_code IS DISTINCT FROM entries.currency_code
    """,
    "usage that is not what the entries come to": """
        WITH counted AS (
            SELECT business_id, usage_day, channel, market, category, free_rule,
                units * step AS units,
                CASE WHEN 'allowance' IN (from_account, to_account) THEN 0
                    ELSE amount_micros * step END AS micros
            FROM entries
            CROSS JOIN LATERAL (
                SELECT CASE WHEN type IN ('release', 'expiry') THEN -1 ELSE 1 END AS step
            ) AS direction
            WHERE type IN ('reservation', 'release', 'expiry', 'late_capture')
                AND usage_day IS NOT NULL
        ), days AS (
            SELECT business_id, usage_day, channel, market, category,
                coalesce(free_rule = 'allowance', false) AS allowed,
                sum(units) AS units, sum(micros) AS micros
            FROM counted
            GROUP BY 1, 2, 3, 4, 5, 6
        ), months AS (
            SELECT business_id, date_trunc('month', usage_day)::date AS month, channel, market,
                category, sum(units) AS units, sum(micros) AS micros
            FROM (
                SELECT business_id, usage_day, channel, market, category, units, micros FROM days
                UNION ALL
                SELECT business_id, usage_day, channel, '*', category, units, 0 FROM days
                WHERE allowed
            ) AS each
            GROUP BY 1, 2, 3, 4, 5
        )
        SELECT format('%s by %s to %s of %s in the month of %s: %s units, its entries make %s',
            category, channel, market, business_id, month, coalesce(unit_count, 0),
            coalesce(units, 0))
        FROM usage_months FULL JOIN months USING (business_id, month, channel, market, category)
        WHERE (coalesce(unit_count, 0), coalesce(amount_micros, 0))
            IS DISTINCT FROM (coalesce(units, 0), coalesce(micros, 0))
        UNION ALL
        SELECT format('spent by %s on %s: %s, its entries make %s', business_id, day,
            coalesce(amount_micros, 0), coalesce(micros, 0))
        FROM usage_days FULL JOIN (
            SELECT business_id, usage_day AS day, sum(micros) AS micros FROM days GROUP BY 1, 2
        ) AS spent USING (business_id, day)
        WHERE coalesce(amount_micros, 0) <> coalesce(micros, 0)
    """,
    "corrections that give back more than was charged, or of no charge": """
        SELECT format('entry %s of %s', correction.corrects_entry_id, correction.business_id)
        FROM (
            SELECT business_id, corrects_entry_id,
                sum(CASE WHEN to_account = 'adjustments' THEN -amount_micros
                    ELSE amount_micros END) AS given_back
            FROM entries
            WHERE corrects_entry_id IS NOT NULL
            GROUP BY business_id, corrects_entry_id
        ) AS correction
        LEFT JOIN entries AS charge
            ON charge.business_id = correction.business_id
            AND charge.entry_id = correction.corrects_entry_id
            AND charge.type IN ('capture', 'late_capture')
        WHERE charge.entry_id IS NULL OR correction.given_back > charge.amount_micros
    """,
    "credit notes that are not booked as they say": """
        SELECT format('credit note %s', coalesce(note.credit_note_id, booked.reference_id))
        FROM credit_notes AS note
        FULL JOIN (SELECT * FROM entries WHERE type = 'credit_note') AS booked
            ON booked.reference_id = note.credit_note_id AND booked.business_id = note.business_id
        WHERE (note.amount_micros, note.entry_id)
            IS DISTINCT FROM (booked.amount_micros, booked.corrects_entry_id)
    """,
}
