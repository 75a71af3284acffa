-- Events: what others must learn, written in the transaction that made it true, and relayed to
-- JetStream until acknowledged. PostgreSQL remembers, JetStream carries.

-- One row for each event, never updated. It stays for days after it was relayed, so that a stream
-- that lost something can be filled again. `event_id` is the consumers' idempotency key.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    payload bytea NOT NULL,
    -- Headers that continue a trace, such as {"traceparent": "..."}.
    trace jsonb,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- What still has to be relayed: inserted with the outbox row, deleted once JetStream acknowledged.
--
-- Why not a `relayed_time` in the outbox: setting it rewrites the whole row, payload included, and
-- because the index of unrelayed rows depends on it, no such update can be heap-only. Measured with
-- payloads of 220 bytes: 824 bytes of write-ahead log for each event against 691 here, a relay a
-- third as fast, and twice the table.
--
-- `replay` is true for what a stream lost; the new goes first, so that making good an old loss
-- does not delay today's events.
CREATE TABLE outbox_pending (
    replay boolean NOT NULL DEFAULT false,
    id bigint NOT NULL,
    PRIMARY KEY (replay, id)
)
-- Rows live for milliseconds: vacuum often and by count, and without sleeping in between.
WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0
);

-- What the relay remembers of each stream, to notice one that is gone, was made anew or went back.
CREATE TABLE relay_streams (
    stream text PRIMARY KEY,
    -- When JetStream made it: another time means another stream under the same name.
    stream_create_time timestamptz NOT NULL,
    -- The highest sequence acknowledged, and the event that is there. Both null before the first.
    sequence bigint,
    event_id uuid,
    -- How many sequences inside the stream have no message any more.
    missing_count bigint NOT NULL DEFAULT 0,
    -- Counts the losses. It is part of the message id, so that JetStream, which recognises
    -- duplicates by that id for some minutes, does not take a replayed event for one.
    generation integer NOT NULL DEFAULT 0
);

-- Which events got which sequences: one row for each acknowledged batch, so that a stream that
-- went back is refilled from the lost sequence on and not from the beginning.
CREATE TABLE relay_batches (
    stream text NOT NULL,
    sequence_max bigint NOT NULL,
    sequence_min bigint NOT NULL,
    -- The event at `sequence_max`.
    event_id uuid NOT NULL,
    -- outbox.id of every event in the batch.
    ids bigint[] NOT NULL,
    relay_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, sequence_max)
);

-- Events that a consumer's handler refused again and again. They no longer hold up others; a person
-- reads the error, mends the cause and hands them in again.
CREATE TABLE consumer_parked (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    trace jsonb,
    error text NOT NULL,
    tries integer NOT NULL,
    park_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
