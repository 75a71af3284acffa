-- Prices by channel, market and volume, free rules as dated rows, credit, caps, and what is counted
-- by day and month.
--
-- The previous release serves on: what it does not know of has a default or may be absent. Until
-- its last replica is gone nobody imports a card with tiers, or gives credit.

CREATE TYPE channel AS ENUM ('app', 'sms', 'rcs');

-- Why a message is free: a reply inside its window, a conversation that began at the business's
-- link, or one of the month's free service messages.
CREATE TYPE free_rule AS ENUM ('reply', 'entry_point', 'allowance');


-- One row for each card that was imported: a file of prices and free rules in one currency.
CREATE TABLE rate_cards (
    card_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CONSTRAINT one_card_of_a_name UNIQUE,
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    -- Of the file as it came, so that the same import again is known.
    sha256 bytea NOT NULL,
    create_time timestamptz NOT NULL
);

-- Rows of one kind that begin together are a ladder of tiers: from 1 on without a gap, the last one
-- without an end. A ladder is in force until the next one of its kind begins, or until its own end.
-- A row's `country_code` is the market that it is for: a country's own code, a region of the market
-- table in small letters, or 'ZZ'. (The column keeps its name because the previous release reads
-- it.)
ALTER TABLE rates
    ADD COLUMN channel channel NOT NULL DEFAULT 'app',
    ADD COLUMN tier_from bigint NOT NULL DEFAULT 1 CHECK (tier_from >= 1),
    ADD COLUMN tier_to bigint CHECK (tier_to >= tier_from),
    ADD COLUMN valid_to_time timestamptz CHECK (valid_to_time > valid_from_time),
    ADD COLUMN card_id bigint REFERENCES rate_cards,
    DROP CONSTRAINT rates_country_code_check,
    ADD CONSTRAINT for_a_market CHECK (country_code ~ '^([A-Z]{2}|[a-z][a-z_]{2,39})$'),
    DROP CONSTRAINT one_rate_at_a_time,
    ADD CONSTRAINT one_rate_at_a_time UNIQUE
        (channel, category, country_code, currency_code, valid_from_time, tier_from);

-- What is free from `valid_from_time` on, until a later row of the same rule, channel and currency.
-- `amount` is hours for an entry point, messages a month for the allowance, and 1 for a reply; 0
-- switches the rule off. Where no row says anything, replies in the app are free and nothing else
-- is.
CREATE TABLE free_rules (
    rule_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule free_rule NOT NULL,
    channel channel NOT NULL,
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    amount bigint NOT NULL CHECK (amount >= 0),
    valid_from_time timestamptz NOT NULL,
    card_id bigint REFERENCES rate_cards,
    create_time timestamptz NOT NULL,
    CONSTRAINT no_past_rule_changes CHECK (valid_from_time >= create_time),
    CONSTRAINT one_rule_at_a_time UNIQUE (rule, channel, currency_code, valid_from_time)
);


-- An account's days and months are those of its time zone, for ever. Its country says which
-- one-time codes are international; without one, none are.
ALTER TABLE accounts
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN country_code text CHECK (country_code ~ '^[A-Z]{2}$');

-- On which terms a business spends: its newest row. Without one it is prepaid, without caps.
CREATE TABLE account_terms (
    business_id uuid NOT NULL,
    terms_id bigint GENERATED ALWAYS AS IDENTITY,
    -- How far the receivable may go below zero, pending messages included; 0: prepaid only.
    credit_limit_micros bigint NOT NULL CHECK (credit_limit_micros >= 0),
    -- What may be spent in a day and in a month; null: as much as there is.
    daily_cap_micros bigint CHECK (daily_cap_micros >= 0),
    monthly_cap_micros bigint CHECK (monthly_cap_micros >= 0),
    -- At which the business is told: what can still be spent fell to it; the month's spending rose
    -- to it.
    left_alerts_micros bigint[] NOT NULL DEFAULT '{}',
    spent_alerts_micros bigint[] NOT NULL DEFAULT '{}',
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, terms_id)
);

-- What a business was told about which level: once a day at most.
CREATE TABLE alerts (
    business_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('left', 'spent')),
    level_micros bigint NOT NULL,
    day date NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, kind, level_micros, day)
);


-- Where what a message of a category earns is booked.
CREATE FUNCTION earned_as(category category) RETURNS ledger_account
LANGUAGE sql
IMMUTABLE
AS $$
    SELECT CASE category
        WHEN 'utility' THEN 'revenue_utility'::ledger_account
        WHEN 'authentication' THEN 'revenue_authentication'
        WHEN 'authentication_international' THEN 'revenue_authentication_international'
        WHEN 'marketing' THEN 'revenue_marketing'
        WHEN 'service' THEN 'revenue_service'
    END
$$;

-- What is promised or delivered, by calendar month in the business's time zone: it chooses the
-- tier. Counted when a message is reserved, under the lock of its business, and given back when it
-- is released or expires; the market '*' counts the free allowance. Kept by `book`, like balances.
CREATE TABLE usage_months (
    business_id uuid NOT NULL,
    month date NOT NULL,
    channel channel NOT NULL,
    market text NOT NULL,
    category category NOT NULL,
    unit_count bigint NOT NULL CHECK (unit_count >= 0),
    amount_micros bigint NOT NULL CHECK (amount_micros >= 0),
    PRIMARY KEY (business_id, month, channel, market, category)
)
WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- What of it was spent on each day: it keeps the daily cap.
CREATE TABLE usage_days (
    business_id uuid NOT NULL,
    day date NOT NULL,
    amount_micros bigint NOT NULL CHECK (amount_micros >= 0),
    PRIMARY KEY (business_id, day)
)
WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);


-- What a message's entries say besides: through which channel, to which market it was priced, in
-- how many units (segments of an SMS, else 1), on which day of the business it was accepted, and by
-- which rule it was free. Absent in what the previous release booked. A credit note and an
-- adjustment name the entry that they correct.
ALTER TABLE entries
    ADD COLUMN channel channel,
    ADD COLUMN market text,
    ADD COLUMN units integer CHECK (units >= 1),
    ADD COLUMN usage_day date,
    ADD COLUMN free_rule free_rule,
    ADD COLUMN corrects_entry_id bigint,
    DROP CONSTRAINT between_the_right_accounts,
    ADD CONSTRAINT between_the_right_accounts CHECK (
        CASE type
            WHEN 'top_up' THEN from_account = 'funding' AND to_account = 'available'
            WHEN 'reservation' THEN
                from_account IN ('available', 'receivable', 'allowance') AND to_account = 'reserved'
            WHEN 'capture' THEN from_account = 'reserved'
            WHEN 'late_capture' THEN from_account IN ('available', 'receivable', 'allowance')
            WHEN 'repayment' THEN from_account = 'available' AND to_account = 'receivable'
            WHEN 'credit_note' THEN
                from_account = 'adjustments' AND to_account IN ('available', 'receivable')
            WHEN 'adjustment' THEN
                (from_account = 'adjustments' AND to_account IN ('available', 'receivable'))
                OR (from_account IN ('available', 'receivable') AND to_account = 'adjustments')
            WHEN 'tax' THEN
                (from_account = 'tax' AND to_account IN ('available', 'receivable'))
                OR (from_account IN ('available', 'receivable') AND to_account = 'tax')
            ELSE from_account = 'reserved'
                AND to_account IN ('available', 'receivable', 'allowance')
        END
    ),
    ADD CONSTRAINT earned_by_category CHECK (
        CASE
            WHEN type NOT IN ('capture', 'late_capture') OR to_account = 'revenue' THEN true
            ELSE to_account = earned_as(category)
        END
    ),
    DROP CONSTRAINT a_message_has_a_category,
    ADD CONSTRAINT a_message_has_a_category CHECK (
        CASE
            WHEN type IN ('top_up', 'repayment', 'tax') THEN category IS NULL
            WHEN type IN ('credit_note', 'adjustment') THEN true
            ELSE category IS NOT NULL
        END
    ),
    ADD CONSTRAINT an_allowance_pays_what_is_free_by_it CHECK (
        type <> 'reservation'
        OR (from_account = 'allowance') = (free_rule IS NOT DISTINCT FROM 'allowance')
    ),
    ADD CONSTRAINT a_correction_says_of_what CHECK (
        (type IN ('credit_note', 'adjustment')) = (corrects_entry_id IS NOT NULL)
    );

-- Exactly once, and now for every type of entry.
DROP INDEX entries_once;
CREATE UNIQUE INDEX entries_once ON entries (
    business_id,
    reference_id,
    (CASE type
        WHEN 'top_up' THEN 0
        WHEN 'reservation' THEN 1
        WHEN 'late_capture' THEN 3
        WHEN 'repayment' THEN 4
        WHEN 'credit_note' THEN 5
        WHEN 'adjustment' THEN 6
        WHEN 'tax' THEN 7
        ELSE 2
    END)
);

CREATE INDEX entries_correcting ON entries (business_id, corrects_entry_id)
    WHERE corrects_entry_id IS NOT NULL;

-- Whose money is held, so that it goes back where it came from, and what was counted for it.
ALTER TABLE open_reservations
    ADD COLUMN source ledger_account NOT NULL DEFAULT 'available',
    ADD COLUMN channel channel,
    ADD COLUMN market text,
    ADD COLUMN units integer,
    ADD COLUMN usage_day date,
    ADD COLUMN free_rule free_rule;

-- What the platform gives and what is owed may be below zero; nothing else.
ALTER TABLE balances
    DROP CONSTRAINT never_below_zero,
    ADD CONSTRAINT never_below_zero CHECK (
        balance_micros >= 0
        OR account IN ('funding', 'receivable', 'allowance', 'adjustments')
    );

-- Accounts that are there already get the new balances. By hand, this once.
ALTER TABLE balances DISABLE TRIGGER refuse_by_hand;
INSERT INTO balances (business_id, account, currency_code, balance_micros)
SELECT accounts.business_id, account, accounts.currency_code, 0
FROM accounts CROSS JOIN unnest(enum_range(NULL::ledger_account)) AS account
ON CONFLICT DO NOTHING;
ALTER TABLE balances ENABLE TRIGGER refuse_by_hand;


-- As before, and: held money goes back to where it came from; credit ends at its limit; a late
-- capture follows an expiry, as the message was reserved; usage is counted. It runs in the
-- statement that adds the entries, so all of it happens or nothing.
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
    on_credit boolean;
    late bigint;
BEGIN
    WITH movements AS (
        SELECT business_id, account, currency_code, sum(micros)::bigint AS micros
        FROM (
            SELECT business_id, from_account AS account, currency_code, -amount_micros AS micros
            FROM booked
            UNION ALL
            SELECT business_id, to_account, currency_code, amount_micros FROM booked
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
    SELECT (SELECT count(*) FROM movements), (SELECT count(*) FROM moved) INTO wanted, done;
    IF done <> wanted THEN
        RAISE EXCEPTION 'an entry is for a business without an account in its currency'
            USING ERRCODE = 'foreign_key_violation';
    END IF;

    SELECT
        coalesce(bool_or(type = 'reservation'), false),
        count(*) FILTER (WHERE type IN ('capture', 'release', 'expiry')),
        coalesce(bool_or(type = 'reservation' AND from_account = 'receivable'), false),
        count(*) FILTER (WHERE type = 'late_capture')
    INTO reserving, resolving, on_credit, late
    FROM booked;

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
            SELECT business_id, usage_day, channel, market, category, units,
                CASE from_account WHEN 'allowance' THEN 0 ELSE amount_micros END AS micros,
                free_rule
            FROM booked
            WHERE type IN ('reservation', 'late_capture') AND usage_day IS NOT NULL
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

    IF resolving > 0 THEN
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
        IF done <> resolving THEN
            RAISE EXCEPTION 'an entry resolves a reservation that is not open, or not as it was made'
                USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;
    RETURN NULL;
END
$$;


-- `hold_accounts` for whoever reserves: what each business can spend and on which terms, and the
-- numbers of the newest rate and the newest rule, of which there are no newer ones until the
-- transaction ends.
CREATE FUNCTION hold_for_reserving(business_ids uuid[])
RETURNS TABLE (
    business_id uuid, currency_code text, time_zone text, country_code text,
    available_micros bigint, receivable_micros bigint, credit_limit_micros bigint,
    daily_cap_micros bigint, monthly_cap_micros bigint,
    left_alerts_micros bigint[], spent_alerts_micros bigint[],
    newest_rate_id bigint, newest_rule_id bigint
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM FROM hold_accounts(business_ids);
    PERFORM pg_advisory_xact_lock_shared(rates_lock());
    RETURN QUERY
        SELECT accounts.business_id, accounts.currency_code, accounts.time_zone,
            accounts.country_code, available.balance_micros, receivable.balance_micros,
            terms.credit_limit_micros, terms.daily_cap_micros, terms.monthly_cap_micros,
            terms.left_alerts_micros, terms.spent_alerts_micros,
            (SELECT coalesce(max(rates.rate_id), 0) FROM rates),
            (SELECT coalesce(max(free_rules.rule_id), 0) FROM free_rules)
        FROM unnest(business_ids) AS asked (asked_id)
        JOIN accounts ON accounts.business_id = asked.asked_id
        JOIN balances AS available
            ON available.business_id = asked.asked_id AND available.account = 'available'
        JOIN balances AS receivable
            ON receivable.business_id = asked.asked_id AND receivable.account = 'receivable'
        LEFT JOIN LATERAL (
            SELECT * FROM account_terms
            WHERE account_terms.business_id = asked.asked_id
            ORDER BY account_terms.terms_id DESC
            LIMIT 1
        ) AS terms ON true;
END
$$;


CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON rate_cards
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON free_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON account_terms
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON alerts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_by_hand BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_months
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_by_hand();
CREATE TRIGGER refuse_by_hand BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_days
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_by_hand();

GRANT SELECT, INSERT ON rate_cards, free_rules, account_terms, alerts TO PUBLIC;
GRANT SELECT ON usage_months, usage_days TO PUBLIC;
-- What businesses are told goes out by the relay.
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, outbox_pending, relay_streams, relay_batches TO PUBLIC;
