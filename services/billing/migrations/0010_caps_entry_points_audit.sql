-- Caps are kept by the database too; what made a message free by an entry point is on record; and the
-- audit calls invoices by their numbers.
--
-- Until the previous release's last replica is gone nobody imports a card with an entry point: it
-- does not write down when the person came.

-- When the person came by the business's link and when it was last answered, as messaging said:
-- with them the price can be computed again. Null where nobody came, and in all but reservations.
ALTER TABLE entries
    ADD COLUMN entry_point_time timestamptz,
    ADD COLUMN entry_point_answer_time timestamptz,
    -- What is reserved counts towards a day's and a month's cap: those of the moment. Time zones
    -- differ from UTC by less than a day. Entries from before there was a day are left alone.
    ADD CONSTRAINT a_reservation_counts_on_its_day CHECK (
        type <> 'reservation'
        OR (
            usage_day IS NOT NULL
            AND usage_day - (create_time AT TIME ZONE 'UTC')::date BETWEEN -1 AND 1
        )
    ) NOT VALID;

-- No reservation that costs its business something takes it over the caps of its newest terms. What
-- was spent is counted by `book` before: triggers of a statement run in the order of their names.
CREATE FUNCTION refuse_over_cap() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            SELECT DISTINCT business_id, usage_day FROM booked
            WHERE type = 'reservation' AND from_account <> 'allowance' AND amount_micros > 0
        ) AS spending
        CROSS JOIN LATERAL (
            SELECT daily_cap_micros, monthly_cap_micros FROM account_terms
            WHERE account_terms.business_id = spending.business_id
            ORDER BY terms_id DESC LIMIT 1
        ) AS terms
        WHERE terms.daily_cap_micros IS NOT NULL
            AND terms.daily_cap_micros < (
                SELECT amount_micros FROM usage_days
                WHERE usage_days.business_id = spending.business_id
                    AND usage_days.day = spending.usage_day
            )
            OR terms.monthly_cap_micros IS NOT NULL
            AND terms.monthly_cap_micros < (
                SELECT sum(amount_micros) FROM usage_months
                WHERE usage_months.business_id = spending.business_id
                    AND usage_months.month = date_trunc('month', spending.usage_day)::date
            )
    ) THEN
        RAISE EXCEPTION 'a reservation is beyond a cap of its business'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refuse_over_cap AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_over_cap();


-- What the tax office knows a document by, as domain.invoices.number_text has it.
CREATE FUNCTION number_text(document invoices) RETURNS text
LANGUAGE sql
IMMUTABLE
AS $$
    SELECT document.issuer_code || CASE document.kind WHEN 'invoice' THEN '-' ELSE '-CN-' END
        || document.year || '-'
        || lpad(document.number::text, greatest(6, length(document.number::text)), '0')
$$;
