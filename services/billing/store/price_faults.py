"""Owns what must not be found of any price: another rate, tier or rule than was in force."""

from __future__ import annotations

from typing import Final

# In words, and the query that finds it, with the words for each case.
PRICE_FAULTS: Final = {
    "reservations whose price is not the rate they name": """
        SELECT format('entry %s of %s', entry_id, business_id)
        FROM entries LEFT JOIN rates USING (rate_id)
        WHERE type = 'reservation'
            AND CASE
                WHEN rate_id IS NULL
                    THEN amount_micros <> 0
                        OR (
                            coalesce(free_rule, 'reply') <> 'entry_point'
                            AND (entries.category <> 'service' OR NOT window_open)
                        )
                ELSE rates.price_micros * coalesce(units, 1) IS DISTINCT FROM amount_micros
                    OR rates.category <> entries.category
                    OR rates.currency_code <> entries.currency_code
                    OR rates.channel <> coalesce(entries.channel, 'app')
                    OR rates.valid_from_time > entries.create_time
                    OR rates.valid_to_time <= entries.create_time
                    OR CASE
                        WHEN market IS NULL
                            THEN rates.country_code NOT IN (destination_country, 'ZZ')
                        ELSE rates.country_code <> market
                    END
            END
    """,
    "reservations at a rate that another had replaced": """
        WITH used AS (
            SELECT rate_id, max(create_time) AS last_time
            FROM entries
            WHERE type = 'reservation' AND rate_id IS NOT NULL
            GROUP BY rate_id
        )
        SELECT format('rate %s, replaced by %s', used.rate_id, later.rate_id)
        FROM used
        JOIN rates ON rates.rate_id = used.rate_id
        JOIN rates AS later
            ON later.channel = rates.channel
            AND later.category = rates.category
            AND later.country_code = rates.country_code
            AND later.currency_code = rates.currency_code
            AND later.valid_from_time > rates.valid_from_time
            AND later.valid_from_time <= used.last_time
    """,
    "reservations in another tier than their volume's": """
        WITH tiered AS (
            SELECT channel, category, country_code AS market, currency_code
            FROM rates
            GROUP BY channel, category, country_code, currency_code
            HAVING max(tier_from) > 1
        ), steps AS (
            SELECT business_id, entry_id, type, rate_id,
                sum(CASE WHEN type IN ('release', 'expiry') THEN -units ELSE units END) OVER (
                    PARTITION BY business_id, channel, market, category,
                        date_trunc('month', usage_day)
                    ORDER BY entry_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS used
            FROM entries JOIN tiered USING (channel, category, market, currency_code)
            WHERE type IN ('reservation', 'release', 'expiry', 'late_capture')
                AND usage_day IS NOT NULL
        )
        SELECT format('entry %s of %s: number %s of its month', entry_id, business_id,
            coalesce(used, 0) + 1)
        FROM steps JOIN rates USING (rate_id)
        WHERE type = 'reservation'
            AND (
                coalesce(used, 0) + 1 < tier_from
                OR coalesce(used, 0) + 1 > coalesce(tier_to, 9223372036854775807)
            )
    """,
    "messages free by a rule that was not in force, or beyond its allowance": """
        WITH steps AS (
            SELECT business_id, entry_id, type, free_rule, channel, currency_code, units,
                create_time, entry_point_time AS came, entry_point_answer_time AS answered,
                sum(CASE WHEN type IN ('release', 'expiry') THEN -units ELSE units END) OVER (
                    PARTITION BY business_id, channel, free_rule, date_trunc('month', usage_day)
                    ORDER BY entry_id
                ) AS used
            FROM entries
            WHERE free_rule IS NOT NULL
                AND type IN ('reservation', 'release', 'expiry', 'late_capture')
        )
        SELECT format('entry %s of %s: free by %s', entry_id, business_id, steps.free_rule)
        FROM steps
        LEFT JOIN LATERAL (
            SELECT amount
            FROM free_rules
            WHERE free_rules.rule = steps.free_rule
                AND free_rules.channel = steps.channel
                AND free_rules.currency_code = steps.currency_code
                AND free_rules.valid_from_time <= steps.create_time
            ORDER BY valid_from_time DESC
            LIMIT 1
        ) AS said ON true
        WHERE type = 'reservation'
            AND CASE
                WHEN said.amount IS NULL
                    THEN steps.free_rule <> 'reply' OR steps.channel <> 'app'
                WHEN steps.free_rule = 'allowance' THEN used > said.amount
                -- As domain.free_rules.entry_point_open.
                WHEN steps.free_rule = 'entry_point' THEN said.amount = 0
                    OR (
                        answered <= came + interval '24 hours'
                        AND create_time < answered + said.amount * interval '1 hour'
                        OR coalesce(answered < came, true)
                        AND create_time <= came + interval '24 hours'
                    ) IS NOT TRUE
                ELSE said.amount = 0
            END
    """,
}
