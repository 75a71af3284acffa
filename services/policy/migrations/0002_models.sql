-- Models of the classifier: what was uploaded, what was done to them, which one decides, which
-- replicas run it, and what one in shadow made of live traffic.
--
-- A version is the first twelve digits of the artifact's SHA-256. The empty version stands for the
-- model that each replica's configuration gives: it decides until one is promoted.

CREATE TABLE models (
    version text PRIMARY KEY CHECK (version ~ '^[0-9a-f]{12}$'),
    -- Pages of ListModels, newest first.
    upload bigint NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY,
    digest text NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$'),
    -- The file manifest.json, byte for byte.
    manifest bytea NOT NULL,
    size_bytes bigint NOT NULL,
    train_time timestamptz NOT NULL,
    language_codes text[] NOT NULL,
    card text NOT NULL,
    operator text NOT NULL,
    create_time timestamptz NOT NULL
);

-- The file model.joblib, in pieces: neither a row nor a process ever holds all of it. It is
-- compressed already.
CREATE TABLE model_pieces (
    version text NOT NULL REFERENCES models,
    number integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (version, number)
);

ALTER TABLE model_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

-- Who did what to the models, and when. Written in the transaction that does it.
CREATE TABLE model_changes (
    change_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    -- As in hudhud.policy.v1.ModelChange.Kind.
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
    version text NOT NULL,
    -- Promoted and rolled back: what was live before.
    previous_version text NOT NULL DEFAULT '',
    -- Promoted: the promotion that the next rollback goes back to; null: to none.
    previous_change_id bigint REFERENCES model_changes,
    share_percent smallint NOT NULL DEFAULT 100,
    operator text NOT NULL,
    note text NOT NULL,
    detail text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL
);

-- The last shadow of a model.
CREATE INDEX model_changes_of_model ON model_changes (version, kind, change_id);

CREATE FUNCTION refuse_any_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are only ever added', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER model_changes_are_added_only BEFORE UPDATE OR DELETE OR TRUNCATE ON model_changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_any_change();
CREATE TRIGGER models_are_added_only BEFORE UPDATE OR DELETE OR TRUNCATE ON models
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_any_change();

-- What all replicas should do. One row; whoever changes it locks it.
CREATE TABLE model_roles (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    live_version text NOT NULL DEFAULT '',
    -- The promotion that made it live; null where none did.
    live_change_id bigint REFERENCES model_changes,
    shadow_version text NOT NULL DEFAULT '',
    -- The change that began the shadow: its counts are kept under it.
    shadow_change_id bigint REFERENCES model_changes,
    shadow_share_percent smallint NOT NULL DEFAULT 100,
    -- A model that every replica is to load beside the live one, before it takes its place: until
    -- when, so that one whom nobody switches to any more is dropped.
    candidate_id uuid,
    candidate_version text NOT NULL DEFAULT '',
    candidate_expire_time timestamptz
);

INSERT INTO model_roles DEFAULT VALUES;

-- The processes that run models; each writes its row every few seconds, and one that has not for
-- a while is gone. All their times are this server's, so that their clocks need not agree.
CREATE TABLE model_replicas (
    replica_id uuid PRIMARY KEY,
    host text NOT NULL,
    configured_version text NOT NULL,
    live_version text NOT NULL,
    shadow_version text NOT NULL,
    -- Loaded and warm: ready to decide.
    ready_versions text[] NOT NULL,
    -- Why others were not loaded, by version.
    refusals jsonb NOT NULL,
    start_time timestamptz NOT NULL,
    seen_time timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Counts of a shadow, by replica: each writes its own sum over and over, so that nothing is counted
-- twice and no two wait for one another.
CREATE TABLE shadow_tallies (
    change_id bigint NOT NULL REFERENCES model_changes,
    replica_id uuid NOT NULL,
    tally jsonb NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (change_id, replica_id)
);

-- Messages that the two models decided otherwise about. Ids, not contents.
CREATE TABLE shadow_disagreements (
    change_id bigint NOT NULL REFERENCES model_changes,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    language_code text NOT NULL,
    use text NOT NULL,
    live_blocked boolean NOT NULL,
    screen_time timestamptz NOT NULL,
    PRIMARY KEY (change_id, number)
);

CREATE INDEX shadow_disagreements_by_age ON shadow_disagreements (screen_time);

-- Which model judged a message; null: it was judged before this was kept.
ALTER TABLE verdicts ADD COLUMN model_version text;
