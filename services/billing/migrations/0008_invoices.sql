-- Invoices: what a month came to, between whom, with which tax, under a number that a tax office
-- follows.
--
-- What this schema guarantees, whatever is said in SQL:
--   * numbers are given here, one after the other without a gap, by issuer, year and kind;
--   * a month of a business is invoiced once, and takes no more entries from then on;
--   * an invoice, its lines and its parties never change; a credit note corrects it;
--   * the lines make the net, and a correction of the ledger stands on one document at most.

CREATE TYPE invoice_kind AS ENUM ('invoice', 'credit_note');

-- Who issues invoices: the newest row of a code.
CREATE TABLE issuers (
    issuer_code text NOT NULL CHECK (issuer_code ~ '^[A-Z][A-Z0-9]{1,11}$'),
    issuer_version bigint GENERATED ALWAYS AS IDENTITY,
    legal_name text NOT NULL,
    address_lines text[] NOT NULL,
    country_code text NOT NULL CHECK (country_code ~ '^[A-Z]{2}$'),
    tax_id text NOT NULL,
    -- In which the days and years of its invoices are.
    time_zone text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (issuer_code, issuer_version)
);

-- To whom they are issued: the newest row of a business.
CREATE TABLE billing_profiles (
    business_id uuid NOT NULL,
    profile_version bigint GENERATED ALWAYS AS IDENTITY,
    legal_name text NOT NULL,
    address_lines text[] NOT NULL,
    country_code text NOT NULL CHECK (country_code ~ '^[A-Z]{2}$'),
    tax_id text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, profile_version)
);

-- Which taxes an issuer adds for buyers of a country ('ZZ': of every country without rows of its
-- own), from a day on until the next row of the same. Rates are millionths: 200000 is 20 %.
CREATE TABLE taxes (
    issuer_code text NOT NULL,
    country_code text NOT NULL CHECK (country_code ~ '^[A-Z]{2}$'),
    valid_from date NOT NULL,
    names text[] NOT NULL,
    rates_ppm integer[] NOT NULL CHECK (0 <= ALL (rates_ppm) AND 1000000 >= ALL (rates_ppm)),
    -- What the law wants said, such as why there is no tax.
    note text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (issuer_code, country_code, valid_from),
    CONSTRAINT a_rate_for_each_name CHECK (cardinality(names) = cardinality(rates_ppm))
);

-- The last number given: kept by `number_invoice`.
CREATE TABLE invoice_numbers (
    issuer_code text NOT NULL,
    year integer NOT NULL,
    kind invoice_kind NOT NULL,
    last_number bigint NOT NULL,
    PRIMARY KEY (issuer_code, year, kind)
);

CREATE TABLE invoices (
    -- Of a credit note, its caller's; also the reference of its tax in the ledger.
    invoice_id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    kind invoice_kind NOT NULL,
    issuer_code text NOT NULL,
    year integer NOT NULL,
    number bigint NOT NULL,
    issue_time timestamptz NOT NULL,
    issue_day date NOT NULL,
    -- The month in the business's time zone, and when it began and ended.
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    time_zone text NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL CHECK (end_time > start_time),
    corrects_invoice_id uuid REFERENCES invoices,
    currency_code text NOT NULL,
    -- What is charged; of a credit note below zero.
    net_micros bigint NOT NULL,
    tax_names text[] NOT NULL,
    tax_rates_ppm integer[] NOT NULL,
    tax_amounts_micros bigint[] NOT NULL,
    tax_note text NOT NULL,
    -- What the business owed when it was issued, this document included.
    owed_micros bigint NOT NULL,
    seller_legal_name text NOT NULL,
    seller_address_lines text[] NOT NULL,
    seller_country_code text NOT NULL,
    seller_tax_id text NOT NULL,
    buyer_legal_name text NOT NULL,
    buyer_address_lines text[] NOT NULL,
    buyer_country_code text NOT NULL,
    buyer_tax_id text NOT NULL,
    CONSTRAINT one_number_once UNIQUE (issuer_code, year, kind, number),
    CONSTRAINT a_credit_note_gives_back CHECK (
        CASE kind
            WHEN 'invoice' THEN corrects_invoice_id IS NULL AND net_micros >= 0
            ELSE corrects_invoice_id IS NOT NULL AND net_micros < 0
        END
    )
);

CREATE UNIQUE INDEX a_month_is_invoiced_once ON invoices (business_id, month)
    WHERE kind = 'invoice';
CREATE INDEX invoices_of_a_business ON invoices (business_id, issue_time, invoice_id);
CREATE INDEX credit_notes_of_an_invoice ON invoices (corrects_invoice_id)
    WHERE corrects_invoice_id IS NOT NULL;

-- With the number of the invoice that a credit note corrects.
CREATE VIEW documents AS
SELECT
    invoices.*, corrected.issuer_code AS corrected_issuer, corrected.year AS corrected_year,
    corrected.number AS corrected_number
FROM invoices
LEFT JOIN invoices AS corrected ON corrected.invoice_id = invoices.corrects_invoice_id;

-- What a document says line by line: the entries of its month that have a key and the price of a
-- unit in common.
CREATE TABLE invoice_lines (
    invoice_id uuid NOT NULL REFERENCES invoices,
    position integer NOT NULL,
    type entry_type NOT NULL,
    category category,
    channel channel,
    market text,
    free_rule free_rule,
    -- Null for corrections.
    unit_price_micros bigint,
    message_count bigint NOT NULL,
    units bigint NOT NULL,
    -- By the card, and what is charged.
    list_micros bigint NOT NULL,
    amount_micros bigint NOT NULL,
    PRIMARY KEY (invoice_id, position)
);

-- The credit notes and adjustments of the ledger that stand on a document.
CREATE TABLE invoiced_corrections (
    business_id uuid NOT NULL,
    entry_id bigint NOT NULL,
    invoice_id uuid NOT NULL REFERENCES invoices,
    PRIMARY KEY (business_id, entry_id)
);


-- Gives a document the next number of its issuer, year and kind. It is given back if the
-- transaction does not commit; others wait for it meanwhile, so it is the last thing to do.
CREATE FUNCTION number_invoice() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO invoice_numbers AS given (issuer_code, year, kind, last_number)
    VALUES (NEW.issuer_code, NEW.year, NEW.kind, 1)
    ON CONFLICT (issuer_code, year, kind) DO UPDATE SET last_number = given.last_number + 1
    RETURNING last_number INTO NEW.number;
    RETURN NEW;
END
$$;

CREATE TRIGGER number_invoice BEFORE INSERT ON invoices
    FOR EACH ROW EXECUTE FUNCTION number_invoice();

-- At the end of the transaction: the lines make the net.
CREATE FUNCTION lines_make_the_net() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.net_micros <> (
        SELECT coalesce(sum(amount_micros), 0) FROM invoice_lines
        WHERE invoice_lines.invoice_id = NEW.invoice_id
    ) THEN
        RAISE EXCEPTION 'the lines of invoice % do not make its net', NEW.invoice_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER lines_make_the_net AFTER INSERT ON invoices
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lines_make_the_net();

-- A line comes with its document, never later: while the document is its transaction's own.
CREATE FUNCTION refuse_late_line() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM invoices
        WHERE invoice_id = NEW.invoice_id AND xmin = pg_current_xact_id()::xid
    ) THEN
        RAISE EXCEPTION 'an issued invoice takes no more lines'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refuse_late_line AFTER INSERT ON invoice_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_late_line();

-- A month that is invoiced takes no more entries. Whoever books and whoever closes hold the account.
CREATE FUNCTION refuse_closed_month() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            SELECT business_id, min(create_time) AS first_time FROM booked GROUP BY business_id
        ) AS added
        JOIN LATERAL (
            SELECT end_time FROM invoices
            WHERE invoices.business_id = added.business_id AND kind = 'invoice'
            ORDER BY month DESC
            LIMIT 1
        ) AS closed ON closed.end_time > added.first_time
    ) THEN
        RAISE EXCEPTION 'the month of an entry is closed'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refuse_closed_month AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_month();


CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON issuers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_profiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON taxes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON invoiced_corrections
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_numbering_by_hand() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'numbers are given to invoices as they are issued'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refuse_numbering_by_hand
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON invoice_numbers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_numbering_by_hand();

GRANT SELECT, INSERT
    ON issuers, billing_profiles, taxes, invoices, invoice_lines, invoiced_corrections TO PUBLIC;
GRANT SELECT ON invoice_numbers, documents TO PUBLIC;
