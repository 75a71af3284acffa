-- The road: what was promised, what still waits for its end, and when people last wrote.
--
-- Every unique key leads with the recipient, or with the person on whose side the row is, so that
-- each table can be hash-partitioned by its first column without a rewrite. Numbers that stand for
-- enumerations are those of the protos.

-- One row for each message from a business to a person: the promise. It is written in the
-- transaction that fills the mailboxes, and stays after the mailboxes are empty, because a message
-- that is sent again must get the first answer again.
--
-- A business might use one message_id for two people and meet no unique key here. Policy keys its
-- verdicts by business and message, so that no two such messages are ever cleared; and what was
-- stored before is found by the second index below and refused.
CREATE TABLE messages (
    person_id uuid NOT NULL,
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    -- SHA-256 over what the clearance says apart from its times: the same message_id with another
    -- digest is another message.
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    contact_id text NOT NULL,
    -- hudhud.clearance.v1.Kind and Category.
    kind smallint NOT NULL,
    category smallint NOT NULL,
    -- hudhud.messaging.v1.MessageState. It only ever advances, under the lock of the row.
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 5),
    -- How many copies no device has acknowledged yet. The last refusal makes the message refused,
    -- and two devices that refuse at the same moment meet at this row.
    copies_left smallint NOT NULL CHECK (copies_left >= 0),
    currency_code text NOT NULL,
    amount_micros bigint NOT NULL CHECK (amount_micros >= 0),
    accept_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (person_id, business_id, message_id)
)
-- What changes (state, copies_left, update_time) is in no index: with room on the page for the
-- second and third version of a row, an update touches no index at all.
WITH (fillfactor = 70);

-- A business asks for a message by its id and does not name the person.
CREATE INDEX messages_by_business ON messages (business_id, message_id);

-- One row for each copy of a message that a device of the person has not acknowledged: the mailbox.
-- Deleted by the ack, or when the message is given up.
CREATE TABLE device_envelopes (
    person_id uuid NOT NULL,
    device_id uuid NOT NULL,
    envelope_id bigint GENERATED ALWAYS AS IDENTITY,
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    -- Not handed out any more from then on; deleted some time later.
    expire_time timestamptz NOT NULL,
    -- hudhud.messaging.v1.Envelope as it will be sent, without its envelope_id.
    envelope bytea NOT NULL,
    PRIMARY KEY (person_id, device_id, envelope_id)
)
-- Rows live for as long as a device is away, mostly milliseconds: vacuum by count, not by share.
WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0
);

-- Ciphertext does not compress; trying to costs time.
ALTER TABLE device_envelopes ALTER COLUMN envelope SET STORAGE EXTERNAL;

-- What to give up, oldest first. It is here and not on messages, where it would make every update
-- of a state touch it.
CREATE INDEX device_envelopes_by_expiry ON device_envelopes (expire_time);

-- The same for what people write to a business: the mailboxes of the business's edges.
CREATE TABLE edge_envelopes (
    business_id uuid NOT NULL,
    edge_id uuid NOT NULL,
    envelope_id bigint GENERATED ALWAYS AS IDENTITY,
    message_id uuid NOT NULL,
    expire_time timestamptz NOT NULL,
    envelope bytea NOT NULL,
    PRIMARY KEY (business_id, edge_id, envelope_id)
)
WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0
);

ALTER TABLE edge_envelopes ALTER COLUMN envelope SET STORAGE EXTERNAL;

-- One edge serves many businesses and reads what waits for it over all of them.
CREATE INDEX edge_envelopes_by_edge ON edge_envelopes (edge_id, envelope_id);

CREATE INDEX edge_envelopes_by_expiry ON edge_envelopes (expire_time);

-- One row for each message from a person to a business, so that one sent again is accepted once.
CREATE TABLE submissions (
    person_id uuid NOT NULL,
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    accept_time timestamptz NOT NULL,
    PRIMARY KEY (person_id, business_id, message_id)
);

-- When a person last wrote to a business. The service window is the 24 hours after that.
CREATE TABLE windows (
    person_id uuid NOT NULL,
    business_id uuid NOT NULL,
    last_person_message_time timestamptz NOT NULL,
    PRIMARY KEY (person_id, business_id)
)
WITH (fillfactor = 70);
