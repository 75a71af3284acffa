-- `book` adds up by kind what was booked, of which a batch has few, and works with the sums: it went
-- through every entry once for each thing that it did. What it holds and refuses is as before.
CREATE OR REPLACE FUNCTION book() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    wanted bigint;
    done bigint;
    reserving boolean;
    resolving bigint;
    giving_back boolean;
    on_credit boolean;
    late bigint;
    correcting boolean;
BEGIN
    WITH kinds AS MATERIALIZED (
        SELECT business_id, type, from_account, to_account, currency_code,
            count(*) AS entry_count, sum(amount_micros)::bigint AS micros
        FROM booked
        GROUP BY business_id, type, from_account, to_account, currency_code
    ), movements AS (
        SELECT business_id, account, currency_code, sum(micros)::bigint AS micros
        FROM (
            SELECT business_id, from_account AS account, currency_code, -micros AS micros
            FROM kinds
            UNION ALL
            SELECT business_id, to_account, currency_code, micros FROM kinds
        ) AS sides
        GROUP BY business_id, account, currency_code
    ), moved AS (
        UPDATE balances
        SET balance_micros = balances.balance_micros + movements.micros
        FROM movements
        WHERE balances.business_id = movements.business_id
            AND balances.account = movements.account
            AND balances.currency_code = movements.currency_code
        RETURNING 1
    )
    SELECT
        (SELECT count(*) FROM movements),
        (SELECT count(*) FROM moved),
        coalesce(bool_or(type = 'reservation'), false),
        coalesce(sum(entry_count) FILTER (WHERE type IN ('capture', 'release', 'expiry')), 0),
        coalesce(bool_or(type = 'reservation' AND from_account = 'receivable'), false),
        coalesce(sum(entry_count) FILTER (WHERE type = 'late_capture'), 0),
        coalesce(bool_or(type IN ('release', 'expiry')), false),
        coalesce(bool_or(type IN ('credit_note', 'adjustment')), false)
    INTO wanted, done, reserving, resolving, on_credit, late, giving_back, correcting
    FROM kinds;
    IF done <> wanted THEN
        RAISE EXCEPTION 'an entry is for a business without an account in its currency'
            USING ERRCODE = 'foreign_key_violation';
    END IF;

    IF reserving THEN
        INSERT INTO open_reservations
            (business_id, message_id, amount_micros, currency_code, category, expire_time,
             source, channel, market, units, usage_day, free_rule)
        SELECT business_id, reference_id, amount_micros, currency_code, category, expire_time,
            from_account, channel, market, units, usage_day, free_rule
        FROM booked
        WHERE type = 'reservation';
    END IF;

    IF on_credit AND EXISTS (
        SELECT FROM (
            SELECT DISTINCT business_id FROM booked
            WHERE type = 'reservation' AND from_account = 'receivable'
        ) AS owing
        JOIN balances ON balances.business_id = owing.business_id
            AND balances.account = 'receivable'
        WHERE balances.balance_micros < -coalesce((
            SELECT credit_limit_micros FROM account_terms
            WHERE account_terms.business_id = owing.business_id
            ORDER BY terms_id DESC LIMIT 1
        ), 0)
    ) THEN
        RAISE EXCEPTION 'a reservation is beyond the credit of its business'
            USING ERRCODE = 'check_violation';
    END IF;

    IF late > 0 THEN
        SELECT count(*) INTO done
        FROM booked
        JOIN entries AS reservation
            ON reservation.business_id = booked.business_id
            AND reservation.reference_id = booked.reference_id
            AND reservation.type = 'reservation'
            AND reservation.amount_micros = booked.amount_micros
            AND reservation.currency_code = booked.currency_code
            AND reservation.category = booked.category
        JOIN entries AS expiry
            ON expiry.business_id = booked.business_id
            AND expiry.reference_id = booked.reference_id
            AND expiry.type = 'expiry'
        WHERE booked.type = 'late_capture'
            AND (booked.from_account = 'allowance') = (reservation.from_account = 'allowance');
        IF done <> late THEN
            RAISE EXCEPTION 'a late capture is of no expired reservation, or not as it was made'
                USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;

    IF reserving OR late > 0 THEN
        WITH counted AS (
            SELECT business_id, usage_day, channel, market, category, free_rule,
                sum(units) AS units,
                sum(CASE from_account WHEN 'allowance' THEN 0 ELSE amount_micros END) AS micros
            FROM booked
            WHERE type IN ('reservation', 'late_capture') AND usage_day IS NOT NULL
            GROUP BY business_id, usage_day, channel, market, category, free_rule
        ), days AS (
            INSERT INTO usage_days (business_id, day, amount_micros)
            SELECT business_id, usage_day, sum(micros)
            FROM counted
            GROUP BY business_id, usage_day
            ON CONFLICT (business_id, day)
            DO UPDATE SET amount_micros = usage_days.amount_micros + excluded.amount_micros
        )
        INSERT INTO usage_months
            (business_id, month, channel, market, category, unit_count, amount_micros)
        SELECT business_id, date_trunc('month', usage_day)::date, channel, market, category,
            sum(units), sum(micros)
        FROM (
            SELECT business_id, usage_day, channel, market, category, units, micros FROM counted
            UNION ALL
            SELECT business_id, usage_day, channel, '*', category, units, 0 FROM counted
            WHERE free_rule = 'allowance'
        ) AS each
        GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (business_id, month, channel, market, category)
        DO UPDATE SET unit_count = usage_months.unit_count + excluded.unit_count,
            amount_micros = usage_months.amount_micros + excluded.amount_micros;
    END IF;

    IF giving_back THEN
        WITH closed AS (
            DELETE FROM open_reservations AS held
            USING booked
            WHERE booked.type IN ('capture', 'release', 'expiry')
                AND held.business_id = booked.business_id
                AND held.message_id = booked.reference_id
                AND held.amount_micros = booked.amount_micros
                AND held.currency_code = booked.currency_code
                AND held.category = booked.category
                AND (booked.type = 'capture' OR booked.to_account = held.source)
            RETURNING booked.type, held.business_id, held.usage_day, held.channel, held.market,
                held.category, held.units, held.free_rule,
                CASE held.source WHEN 'allowance' THEN 0 ELSE held.amount_micros END AS micros
        ), given_back AS (
            SELECT * FROM closed WHERE type <> 'capture' AND usage_day IS NOT NULL
        ), days AS (
            UPDATE usage_days
            SET amount_micros = usage_days.amount_micros - less.micros
            FROM (
                SELECT business_id, usage_day, sum(micros) AS micros
                FROM given_back
                GROUP BY business_id, usage_day
            ) AS less
            WHERE usage_days.business_id = less.business_id AND usage_days.day = less.usage_day
        ), months AS (
            UPDATE usage_months
            SET unit_count = usage_months.unit_count - less.units,
                amount_micros = usage_months.amount_micros - less.micros
            FROM (
                SELECT business_id, date_trunc('month', usage_day)::date AS month, channel, market,
                    category, sum(units) AS units, sum(micros) AS micros
                FROM (
                    SELECT business_id, usage_day, channel, market, category, units, micros
                    FROM given_back
                    UNION ALL
                    SELECT business_id, usage_day, channel, '*', category, units, 0
                    FROM given_back
                    WHERE free_rule = 'allowance'
                ) AS each
                GROUP BY 1, 2, 3, 4, 5
            ) AS less
            WHERE usage_months.business_id = less.business_id
                AND usage_months.month = less.month
                AND usage_months.channel = less.channel
                AND usage_months.market = less.market
                AND usage_months.category = less.category
        )
        SELECT count(*) INTO done FROM closed;
    ELSIF resolving > 0 THEN
        DELETE FROM open_reservations AS held
        USING booked
        WHERE booked.type = 'capture'
            AND held.business_id = booked.business_id
            AND held.message_id = booked.reference_id
            AND held.amount_micros = booked.amount_micros
            AND held.currency_code = booked.currency_code
            AND held.category = booked.category;
        GET DIAGNOSTICS done = ROW_COUNT;
    END IF;
    IF resolving > 0 AND done <> resolving THEN
        RAISE EXCEPTION 'an entry resolves a reservation %', (
            SELECT CASE
                WHEN reserved.entry_id IS NULL THEN 'that its business never made'
                WHEN (reserved.amount_micros, reserved.currency_code, reserved.category)
                    IS DISTINCT FROM (booked.amount_micros, booked.currency_code, booked.category)
                    THEN 'of another amount, currency or category'
                ELSE 'by giving back to another account than it was taken from'
            END
            FROM booked
            LEFT JOIN entries AS reserved
                ON reserved.business_id = booked.business_id
                AND reserved.reference_id = booked.reference_id
                AND reserved.type = 'reservation'
            WHERE booked.type IN ('capture', 'release', 'expiry')
                AND (reserved.amount_micros, reserved.currency_code, reserved.category,
                        CASE booked.type WHEN 'capture' THEN NULL ELSE reserved.from_account END)
                    IS DISTINCT FROM (booked.amount_micros, booked.currency_code, booked.category,
                        CASE booked.type WHEN 'capture' THEN NULL ELSE booked.to_account END)
            LIMIT 1
        ) USING ERRCODE = 'foreign_key_violation';
    END IF;

    IF correcting AND EXISTS (
        SELECT FROM booked
        LEFT JOIN entries AS charge
            ON charge.business_id = booked.business_id
            AND charge.entry_id = booked.corrects_entry_id
        WHERE booked.corrects_entry_id IS NOT NULL
            AND (
                charge.type IS NULL
                OR charge.type NOT IN ('capture', 'late_capture')
                OR charge.currency_code <> booked.currency_code
                OR charge.category IS DISTINCT FROM booked.category
                OR charged_by(booked.business_id, booked.corrects_entry_id) < 0
            )
    ) THEN
        RAISE EXCEPTION 'a correction is of no charge, or gives back more than was charged'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
