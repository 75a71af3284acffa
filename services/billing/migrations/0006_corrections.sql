-- Corrections: credit notes and re-ratings, each a new entry that points at what it corrects.

-- Why a credit note was given. The money is the entry of the same reference.
CREATE TABLE credit_notes (
    credit_note_id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    entry_id bigint NOT NULL,
    amount_micros bigint NOT NULL CHECK (amount_micros > 0),
    reason text NOT NULL,
    create_time timestamptz NOT NULL
);

-- A proposal to charge the messages of a period as a corrected card says.
CREATE TABLE reratings (
    rerating_id uuid PRIMARY KEY,
    currency_code text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL CHECK (to_time > from_time),
    sha256 bytea NOT NULL,
    reason text NOT NULL,
    create_time timestamptz NOT NULL
);

-- Each message that it would change. What was charged is what it costs its business by then, earlier
-- corrections included.
CREATE TABLE rerating_items (
    rerating_id uuid NOT NULL REFERENCES reratings,
    place bigint NOT NULL,
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    entry_id bigint NOT NULL,
    charged_micros bigint NOT NULL CHECK (charged_micros >= 0),
    corrected_micros bigint NOT NULL CHECK (corrected_micros >= 0),
    PRIMARY KEY (rerating_id, place)
);

-- What somebody decided of it, once.
CREATE TABLE rerating_decisions (
    rerating_id uuid PRIMARY KEY REFERENCES reratings,
    decision text NOT NULL CHECK (decision IN ('applied', 'rejected')),
    create_time timestamptz NOT NULL
);


-- What an entry charged its business and has not been given back: by credit notes and adjustments
-- down, and with adjustments that charged more up.
CREATE FUNCTION charged_by(business uuid, entry bigint) RETURNS bigint
LANGUAGE sql
STABLE
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
    SELECT coalesce((
        SELECT CASE
            WHEN free_rule IS DISTINCT FROM 'allowance' THEN amount_micros
            ELSE 0
        END
        FROM entries
        WHERE business_id = business AND entry_id = entry AND type IN ('capture', 'late_capture')
    ), 0) + coalesce((
        SELECT sum(CASE WHEN to_account = 'adjustments' THEN amount_micros ELSE -amount_micros END)
        FROM entries WHERE business_id = business AND corrects_entry_id = entry
    ), 0)::bigint
$$;

-- A correction is of an entry of the same business that charged a message, in its currency and
-- category, and never gives back more than it charged.
CREATE FUNCTION check_corrections() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    IF EXISTS (
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

CREATE TRIGGER check_corrections AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION check_corrections();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON reratings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON rerating_items
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON rerating_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON credit_notes, reratings, rerating_items, rerating_decisions TO PUBLIC;
