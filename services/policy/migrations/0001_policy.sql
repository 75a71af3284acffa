-- Policy: what may be said to whom. Templates, what people decided about businesses, verdicts about
-- messages, and reports.
--
-- No text of a message is kept here but in two tables: templates, which businesses handed in for
-- review, and reports, which people handed in with the proof of what they say.

-- Wordings, as submitted and reviewed. A row never changes. `submission` counts them in the order in
-- which they came: of the approved ones of a name and language, the latest is the one that is sent.
CREATE TABLE templates (
    template_id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    submission bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    language_code text NOT NULL,
    -- 1 utility, 2 authentication, 3 marketing: as in hudhud.clearance.v1.Category.
    category smallint NOT NULL CHECK (category BETWEEN 1 AND 3),
    body text NOT NULL,
    examples jsonb NOT NULL,
    -- Serialized hudhud.content.v1.Button.
    buttons bytea[] NOT NULL,
    -- 1 approved, 2 rejected: as in hudhud.policy.v1.Template.
    state smallint NOT NULL CHECK (state IN (1, 2)),
    -- What the review found: codes, witnesses and places, from which sentences are made when told.
    evidence jsonb NOT NULL,
    create_time timestamptz NOT NULL
);

-- Pages of ListTemplates, newest first.
CREATE INDEX templates_of_business ON templates (business_id, submission);
-- The wording of a name and language that is in force.
CREATE INDEX templates_by_name ON templates (business_id, name, language_code, state, submission);

-- What each person last decided about each business. Both decisions hold until taken back.
CREATE TABLE preferences (
    person_id uuid NOT NULL,
    business_id uuid NOT NULL,
    marketing_consent boolean NOT NULL DEFAULT false,
    blocked boolean NOT NULL DEFAULT false,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (person_id, business_id)
);

-- Who decided what and when: the proof of a consent, and of its withdrawal. Written in the
-- transaction that changes `preferences`, and never changed.
CREATE TABLE decisions (
    decision_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    person_id uuid NOT NULL,
    business_id uuid NOT NULL,
    device_id uuid NOT NULL,
    decision text NOT NULL CHECK (
        decision IN ('grant_consent', 'withdraw_consent', 'block_business', 'unblock_business')
    ),
    decide_time timestamptz NOT NULL
);

CREATE INDEX decisions_of_person ON decisions (person_id, business_id, decision_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'decisions are only ever added';
END
$$;

CREATE TRIGGER decisions_are_added_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Verdicts. The key holds that a message_id means one message: whoever comes second reads what the
-- first was told. A clearance is not kept: with the request it is made again, to the last bit.
CREATE TABLE verdicts (
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    -- SHA-256 of the contact, kind, declared category and commitment.
    body_digest bytea NOT NULL CHECK (length(body_digest) = 32),
    -- What the message counts as: 1 utility, 2 authentication, 3 marketing, 4 service.
    category smallint NOT NULL CHECK (category BETWEEN 1 AND 4),
    -- Null: allowed. Otherwise what decided against it: {"findings": [...]}.
    evidence jsonb,
    screen_time timestamptz NOT NULL,
    -- When the clearance ends; null where there is none.
    expire_time timestamptz CHECK ((expire_time IS NULL) = (evidence IS NOT NULL)),
    -- What became of it: as in hudhud.messaging.v1.MessageState; 0 until messaging tells.
    fate smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (business_id, message_id)
) WITH (fillfactor = 85);

-- GetQuality counts the last days of one business.
CREATE INDEX verdicts_of_business ON verdicts (business_id, screen_time);
-- What is old enough to be swept. Rows lie in the order of their time, so a BRIN costs next to
-- nothing.
CREATE INDEX verdicts_by_age ON verdicts USING brin (screen_time);

-- Messages that people handed over, with the proof: the clearance that policy signed, and the key
-- that opens its commitment to the content.
CREATE TABLE reports (
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    person_id uuid NOT NULL,
    device_id uuid NOT NULL,
    -- As in hudhud.policy.v1.ReportMessageRequest.Reason.
    reason smallint NOT NULL,
    clearance bytea NOT NULL,
    content bytea NOT NULL,
    franking_key bytea NOT NULL,
    report_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, message_id, person_id)
);

CREATE INDEX reports_of_business ON reports (business_id, report_time);
