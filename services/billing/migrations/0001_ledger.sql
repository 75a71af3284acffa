-- The ledger: what every business has, what a message costs, and every movement of money.
--
-- Money is a whole number of micros, millionths of a currency's main unit. Nothing here divides or
-- multiplies, so nothing is ever rounded.
--
-- What this schema guarantees, whatever a service that may connect to it says in SQL:
--   * every entry takes from one ledger account what it gives to another, so all sums are zero;
--   * entries, accounts and rates are only ever added, never changed or removed;
--   * a balance is the sum of its entries: it moves when an entry is booked and never otherwise;
--   * what a business can spend, what is held and what was earned never fall below zero;
--   * a reservation is resolved at most once, by its own amount, and only while it is open.
--
-- The tables belong to the role that runs the migrations. A service that connects as another role
-- has the few rights granted at the end of this file and no way around the triggers; one that
-- connects as the owner is held by the triggers alone, which an owner can remove.

CREATE TYPE category AS ENUM ('utility', 'authentication', 'marketing', 'service');

-- The ledger accounts of each business. A balance is what went in less what went out, so `funding`,
-- where money comes from, is as far below zero as was ever topped up, and all four add up to zero.
CREATE TYPE ledger_account AS ENUM ('funding', 'available', 'reserved', 'revenue');

-- Why money moved. An expiry is a release that nobody asked for.
CREATE TYPE entry_type AS ENUM ('top_up', 'reservation', 'capture', 'release', 'expiry');


-- One row for each business: its currency, for ever.
CREATE TABLE accounts (
    business_id uuid PRIMARY KEY,
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    create_time timestamptz NOT NULL
);

-- The balance of each ledger account: the running sum of its entries, kept by the trigger `book`.
-- The row `available` is also the lock of its business; see `hold_accounts`.
CREATE TABLE balances (
    business_id uuid NOT NULL,
    account ledger_account NOT NULL,
    currency_code text NOT NULL,
    balance_micros bigint NOT NULL,
    PRIMARY KEY (business_id, account),
    CONSTRAINT never_below_zero CHECK (balance_micros >= 0 OR account = 'funding')
)
-- A busy business's rows change hundreds of times a second: room on the page for the next version
-- keeps them off the index, and vacuum comes by count.
WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- What a message costs from `valid_from_time` on, until a later row of the same kind. 'ZZ' is every
-- country that has no row of its own.
CREATE TABLE rates (
    rate_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    category category NOT NULL,
    country_code text NOT NULL CHECK (country_code ~ '^[A-Z]{2}$'),
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    price_micros bigint NOT NULL CHECK (price_micros >= 0),
    valid_from_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT no_past_price_changes CHECK (valid_from_time >= create_time),
    CONSTRAINT one_rate_at_a_time UNIQUE (category, country_code, currency_code, valid_from_time)
);

-- Every movement of money, in order. Keys lead with the business, so that the table can be
-- partitioned or distributed by it.
CREATE TABLE entries (
    business_id uuid NOT NULL,
    entry_id bigint GENERATED ALWAYS AS IDENTITY,
    type entry_type NOT NULL,
    from_account ledger_account NOT NULL,
    to_account ledger_account NOT NULL,
    amount_micros bigint NOT NULL CONSTRAINT amount_not_negative CHECK (amount_micros >= 0),
    currency_code text NOT NULL,
    -- The message's id, or the top-up's.
    reference_id uuid NOT NULL,
    -- What the message is for; null for a top-up.
    category category,
    -- What a reservation was asked for and how it came to its amount; null elsewhere. Without a
    -- rate the message is free by rule.
    destination_country text,
    window_open boolean,
    expire_time timestamptz,
    rate_id bigint,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, entry_id),
    CONSTRAINT between_the_right_accounts CHECK (
        (type = 'top_up' AND from_account = 'funding' AND to_account = 'available')
        OR (type = 'reservation' AND from_account = 'available' AND to_account = 'reserved')
        OR (type = 'capture' AND from_account = 'reserved' AND to_account = 'revenue')
        OR (type = 'release' AND from_account = 'reserved' AND to_account = 'available')
        OR (type = 'expiry' AND from_account = 'reserved' AND to_account = 'available')
    ),
    CONSTRAINT a_message_has_a_category CHECK ((type = 'top_up') = (category IS NULL)),
    CONSTRAINT a_reservation_says_what_for CHECK (
        num_nonnulls(destination_country, window_open, expire_time)
            = CASE WHEN type = 'reservation' THEN 3 ELSE 0 END
        AND (rate_id IS NULL OR type = 'reservation')
    ),
    CONSTRAINT free_without_a_rate CHECK (
        type <> 'reservation' OR rate_id IS NOT NULL OR amount_micros = 0
    )
);

-- Exactly once: a reference has one top-up, one reservation and one resolution. It is also how the
-- entries of a message are found.
CREATE UNIQUE INDEX entries_once ON entries (
    business_id,
    reference_id,
    (CASE type WHEN 'top_up' THEN 0 WHEN 'reservation' THEN 1 ELSE 2 END)
);

-- A payment is booked once, for whichever business.
CREATE UNIQUE INDEX top_ups_once ON entries (reference_id) WHERE type = 'top_up';

-- Reservations that nothing has resolved yet: pending, in the two-phase sense. Like balances it
-- follows from the entries and is kept by `book`; it is what there is to capture, release or expire.
CREATE TABLE open_reservations (
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    amount_micros bigint NOT NULL,
    currency_code text NOT NULL,
    category category NOT NULL,
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, message_id)
)
-- Most rows live for seconds: vacuum often and by count.
WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX open_reservations_by_expiry ON open_reservations (expire_time);

-- Receipts that the ledger could not follow: a message was delivered after its reservation had
-- expired or been released, was refused after it had been captured, or had no reservation. Nothing
-- is booked for them; CheckLedger names them until somebody decides.
CREATE TABLE unsettled_receipts (
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    -- What the receipt asks for.
    wanted entry_type NOT NULL CHECK (wanted IN ('capture', 'release')),
    -- How the reservation had been resolved by then; null: there was none.
    found entry_type CHECK (found IN ('capture', 'release', 'expiry')),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, message_id, wanted)
);


-- Books what was just added to the entries: moves the balances, and opens and closes reservations.
-- It runs in the statement that adds them, so both happen or neither.
--
-- Its plans are kept from the first call, when the tables are empty; rows are found by key, so the
-- plans that only pay on small tables are out.
CREATE FUNCTION book() RETURNS trigger
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

    INSERT INTO open_reservations
        (business_id, message_id, amount_micros, currency_code, category, expire_time)
    SELECT business_id, reference_id, amount_micros, currency_code, category, expire_time
    FROM booked
    WHERE type = 'reservation';

    SELECT count(*) INTO wanted FROM booked WHERE type IN ('capture', 'release', 'expiry');
    IF wanted > 0 THEN
        DELETE FROM open_reservations AS held
        USING booked
        WHERE booked.type IN ('capture', 'release', 'expiry')
            AND held.business_id = booked.business_id
            AND held.message_id = booked.reference_id
            AND held.amount_micros = booked.amount_micros
            AND held.currency_code = booked.currency_code
            AND held.category = booked.category;
        GET DIAGNOSTICS done = ROW_COUNT;
        IF done <> wanted THEN
            RAISE EXCEPTION 'an entry resolves a reservation that is not open, or not as it was made'
                USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER book AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION book();


-- Gives a new account its balances.
CREATE FUNCTION open_balances() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO balances (business_id, account, currency_code, balance_micros)
    SELECT NEW.business_id, account, NEW.currency_code, 0
    FROM unnest(enum_range(NULL::ledger_account)) AS account;
    RETURN NULL;
END
$$;

CREATE TRIGGER open_balances AFTER INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION open_balances();


-- Locks businesses until the end of the transaction and tells what each can spend. Whoever books
-- entries calls this first, once, with all businesses that the entries are for: always in the order
-- of their ids, so that two transactions never wait for each other. A business without an account
-- has no row in the answer.
CREATE FUNCTION hold_accounts(business_ids uuid[])
RETURNS TABLE (business_id uuid, currency_code text, available_micros bigint)
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT balances.business_id, balances.currency_code, balances.balance_micros
    FROM balances
    WHERE balances.business_id = ANY (business_ids) AND balances.account = 'available'
    ORDER BY balances.business_id
    FOR NO KEY UPDATE
$$;


-- Refuses every change of what was written once. It binds the owner too.
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to; correct by a new row', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON rates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON unsettled_receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Refuses every change by hand of what follows from the entries: a statement of a client's own is
-- the first trigger deep, one of `book` or `open_balances` the second.
CREATE FUNCTION refuse_by_hand() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION '% follows from the entries; book an entry instead', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refuse_by_hand BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON balances
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_by_hand();
CREATE TRIGGER refuse_by_hand BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON open_reservations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_by_hand();


-- What a service may do that is not the owner. Everybody who may connect to this database is meant,
-- and who may is decided by the right to connect, which PUBLIC does not have.
GRANT SELECT, INSERT ON accounts, rates, entries, unsettled_receipts TO PUBLIC;
GRANT SELECT ON balances, open_reservations TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_parked TO PUBLIC;
