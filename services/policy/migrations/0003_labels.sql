-- What people say about messages, from which the classifier learns: reports, appeals, reviews, and
-- withdrawals of any of them.
--
-- This is the third table with texts of messages: people and businesses hand them over for review.
-- A row lives for a year; when it is withdrawn, its text goes at once.

CREATE TABLE label_entries (
    entry_id uuid PRIMARY KEY,
    -- The order in which they were said.
    number bigint NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY,
    -- 1 report, 2 appeal, 3 review, 4 withdrawal: as in hudhud.policy.v1.LabelEntry.Kind.
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),
    create_time timestamptz NOT NULL,
    -- An opaque name: the same for the same person, business or reviewer.
    said_by text NOT NULL,
    -- Whose message it is; null in a withdrawal.
    business_id uuid,
    message_id uuid,
    -- All that a person would read of it; null in a withdrawal, and once withdrawn.
    text text,
    -- What texts share that differ in numbers only (16 bytes).
    wording bytea,
    -- 1 promotional, 2 scam, 3 transactional, 4 personal: as in hudhud.policy.v1.Label.
    label smallint CHECK (label BETWEEN 1 AND 4),
    model_version text NOT NULL DEFAULT '',
    blocked boolean NOT NULL DEFAULT false,
    -- Reviews and withdrawals: what they are about.
    of_entry_id uuid,
    reason text NOT NULL DEFAULT '',
    -- 1 waits for a reviewer, 2 stands, 3 withdrawn.
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3)
);

-- The reviewers' queue, and what a decision is about.
CREATE INDEX label_entries_waiting ON label_entries (number) WHERE state = 1;
CREATE INDEX label_entries_by_wording ON label_entries (wording) WHERE state < 3;
-- How much somebody said lately, and all that they said.
CREATE INDEX label_entries_by_speaker ON label_entries (said_by, create_time);
CREATE INDEX label_entries_by_business ON label_entries (business_id, create_time);
-- A business appeals once against a verdict.
CREATE UNIQUE INDEX label_entries_appeals ON label_entries (business_id, message_id)
    WHERE kind = 2;
-- What is old enough to be swept.
CREATE INDEX label_entries_by_age ON label_entries (create_time);
CREATE INDEX reports_by_age ON reports (report_time);
