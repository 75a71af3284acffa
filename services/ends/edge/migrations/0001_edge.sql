-- The edge's own state: the keys of the businesses it stands for, their sessions with people's
-- devices, and what happened for each business. Everything secret or readable in here is encrypted
-- under the edge's storage key, which is a file and never in the database.

-- A business that this edge stands for. `account` is its Olm account as vodozemac pickles it. The
-- account changes when a person's device begins a session (a one-time key is used up) and when keys
-- are made; `version` counts the changes, and whoever changes it names the version it read, so that
-- two replicas cannot both build on the same state.
CREATE TABLE businesses (
    business_id uuid PRIMARY KEY,
    account text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    -- When identity last took this account's keys. Null: not yet, so nobody can write to it.
    publish_time timestamptz,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- One Olm session between a business and one device. `session` is the pickle; `version` guards it as
-- above: a ciphertext leaves only after the state that follows it is stored under the next version,
-- so that a crash can skip a key but never use one twice.
--
-- `replica` is the edge process that seals with it. Sealing order is delivery order only within one
-- process, and a ratchet opens what comes out of order only within narrow limits, so processes do not
-- share sessions for sealing; any of them may open with any.
--
-- `unconfirmed_count` is how many messages were sealed since a device last confirmed one. The ratchet
-- cannot jump ahead without end, so a session that gets no confirmation is retired in time and the
-- next message begins a new one. A retired session still opens what was sealed for it.
CREATE TABLE sessions (
    business_id uuid NOT NULL,
    end_id uuid NOT NULL,
    session_id text NOT NULL,
    contact_id text NOT NULL,
    replica text NOT NULL,
    session text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    unconfirmed_count integer NOT NULL DEFAULT 0,
    retire_time timestamptz,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, end_id, session_id)
) WITH (fillfactor = 70);

CREATE INDEX sessions_by_contact ON sessions (business_id, contact_id);

-- The last place given out in each business's sequence of events. Locked while events are added, so
-- that a cursor is visible only after all smaller ones: a reader who has seen cursor n misses nothing.
CREATE TABLE event_cursors (
    business_id uuid PRIMARY KEY,
    last_cursor bigint NOT NULL
);

-- What happened for a business: a person wrote, or a message came to another state. `payload` is a
-- hudhud.edge.v1.Event without its cursor, sealed with AES-256-GCM under the storage key.
-- `event_key` makes the same event, told twice, one event.
CREATE TABLE events (
    business_id uuid NOT NULL,
    cursor bigint NOT NULL,
    event_key text NOT NULL,
    payload bytea NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, cursor),
    UNIQUE (business_id, event_key)
);

CREATE INDEX events_by_time ON events USING brin (create_time);
