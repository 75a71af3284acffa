"""Owns what must not be found of any invoice: another figure than the entries come to."""

from __future__ import annotations

from typing import Final

# In words, and the query that finds it, with the words for each case.
INVOICE_FAULTS: Final = {
    "invoices with a line that is not what the entries come to": """
        WITH booked AS (
            SELECT invoice_id, type, category, channel, market, free_rule, unit_price,
                false AS gives_back, count(*) AS messages, sum(units) AS units,
                sum(micros) AS listed,
                CASE free_rule WHEN 'allowance' THEN 0 ELSE sum(micros) END AS charged
            FROM (
                SELECT invoice_id, type, category, channel, market, free_rule,
                    amount_micros / coalesce(units, 1) AS unit_price, coalesce(units, 1) AS units,
                    amount_micros AS micros
                FROM invoices
                JOIN entries ON entries.business_id = invoices.business_id
                    AND entries.create_time >= start_time AND entries.create_time < end_time
                WHERE kind = 'invoice' AND type IN ('capture', 'late_capture')
            ) AS captures
            GROUP BY 1, 2, 3, 4, 5, 6, 7
            UNION ALL
            SELECT invoice_id, type, category, channel, market, free_rule, NULL, micros < 0,
                count(*), sum(units), sum(micros), sum(micros)
            FROM (
                SELECT invoice_id, correction.type, corrected.category, corrected.channel,
                    corrected.market, corrected.free_rule, coalesce(corrected.units, 0) AS units,
                    CASE correction.from_account WHEN 'adjustments' THEN -1 ELSE 1 END
                        * correction.amount_micros AS micros
                FROM invoiced_corrections AS stated
                JOIN entries AS correction ON correction.business_id = stated.business_id
                    AND correction.entry_id = stated.entry_id
                JOIN entries AS corrected ON corrected.business_id = stated.business_id
                    AND corrected.entry_id = correction.corrects_entry_id
            ) AS corrections
            GROUP BY 1, 2, 3, 4, 5, 6, 8
        ), differing AS (
            SELECT invoice_id
            FROM (
                SELECT *, 1 AS side FROM booked
                UNION ALL
                SELECT invoice_id, type, category, channel, market, free_rule, unit_price_micros,
                    amount_micros < 0, message_count, units, list_micros, amount_micros, -1
                FROM invoice_lines
            ) AS sides
            GROUP BY invoice_id, type, category, channel, market, free_rule, unit_price,
                gives_back
            HAVING (sum(side * messages), sum(side * units), sum(side * listed),
                sum(side * charged)) <> (0, 0, 0, 0)
        )
        SELECT DISTINCT number_text(invoices) FROM differing JOIN invoices USING (invoice_id)
    """,
    "invoices whose lines do not make their net": """
        SELECT number_text(invoices)
        FROM invoices
        LEFT JOIN (
            SELECT invoice_id, sum(amount_micros) AS micros FROM invoice_lines GROUP BY invoice_id
        ) AS lines USING (invoice_id)
        WHERE net_micros <> coalesce(micros, 0)
    """,
    # Of credit notes all together, as domain.invoices.taxes_given_back has it.
    "invoices whose tax is not their net times its rate": """
        WITH taxed AS (
            SELECT coalesce(corrects_invoice_id, invoice_id) AS invoice_id,
                kind = 'credit_note' AS gives_back, place,
                max(rate_ppm) AS rate_ppm, sum(net_micros) AS net, sum(amount) AS amount
            FROM invoices
            CROSS JOIN LATERAL unnest(tax_rates_ppm, tax_amounts_micros)
                WITH ORDINALITY AS taxes (rate_ppm, amount, place)
            GROUP BY 1, 2, 3
        )
        SELECT DISTINCT number_text(invoices)
        FROM taxed JOIN invoices USING (invoice_id)
        WHERE round(net::numeric * rate_ppm / 1000000) <> amount
    """,
    "invoices whose tax is not booked as they say": """
        SELECT coalesce(number_text(invoices), format('of no invoice: %s', reference_id))
        FROM invoices
        FULL JOIN (
            SELECT business_id, reference_id,
                CASE to_account WHEN 'tax' THEN amount_micros ELSE -amount_micros END AS micros
            FROM entries
            WHERE type = 'tax'
        ) AS booked
            ON booked.business_id = invoices.business_id AND booked.reference_id = invoice_id
        WHERE coalesce((SELECT sum(amount) FROM unnest(tax_amounts_micros) AS amount), 0)
            <> coalesce(micros, 0)
    """,
    # The entry of its tax says when a document was issued; one without tax cannot be placed.
    "invoices that say another sum is owed than was": """
        SELECT number_text(invoices)
        FROM invoices
        JOIN (
            SELECT business_id, type, reference_id, sum(
                CASE 'receivable'::ledger_account WHEN from_account THEN amount_micros
                    WHEN to_account THEN -amount_micros ELSE 0 END
            ) OVER (PARTITION BY business_id ORDER BY entry_id) AS owed
            FROM entries
            WHERE 'receivable' IN (from_account, to_account) OR type = 'tax'
        ) AS owing
            ON owing.business_id = invoices.business_id AND reference_id = invoice_id
            AND owing.type = 'tax'
        WHERE owed_micros <> owed
    """,
    "series of invoice numbers with a gap": """
        SELECT format('%s of %s, %s: %s documents, the last number given is %s',
            issuer_code, year, kind, coalesce(documents, 0), coalesce(last_number, 0))
        FROM (
            SELECT issuer_code, year, kind, count(*) AS documents, max(number) AS highest
            FROM invoices
            GROUP BY issuer_code, year, kind
        ) AS issued
        FULL JOIN invoice_numbers USING (issuer_code, year, kind)
        WHERE (documents, highest) IS DISTINCT FROM (last_number, last_number)
    """,
}
