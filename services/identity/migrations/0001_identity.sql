-- Identity: who may speak, and with which keys. Businesses and their API keys, people and their
-- devices, the keys with which a session to an end begins, and the operator's credential.
--
-- No secret lies here in a form that could be used: API keys and the operator's credential as
-- argon2id hashes, device credentials as SHA-256 (they have 256 random bits, so nobody can guess),
-- codes as HMAC under a key that is not in the database.

-- Companies that send. The id is minted by whoever registers one, and is the idempotency key.
CREATE TABLE businesses (
    business_id uuid PRIMARY KEY,
    display_name text NOT NULL,
    -- By BCP 47 tag: {"ar": "..."}.
    localized_display_names jsonb NOT NULL,
    create_time timestamptz NOT NULL
);

-- Keys of businesses. Ids are UUIDs of version 7: ordered by id, keys are ordered by age.
CREATE TABLE api_keys (
    api_key_id uuid PRIMARY KEY,
    business_id uuid NOT NULL REFERENCES businesses,
    label text NOT NULL,
    secret_hash text NOT NULL,
    create_time timestamptz NOT NULL,
    revoke_time timestamptz
);

-- Pages of ListApiKeys, and the count of keys that are good.
CREATE INDEX api_keys_of_business ON api_keys (business_id, api_key_id);

-- The operator's credential: one row at most, so that replicas that start together agree.
CREATE TABLE operator_credential (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    credential_hash text NOT NULL,
    update_time timestamptz NOT NULL
);

-- Who receives. The number is how a person is first named; the id is how everything else names
-- them, so a number can change hands or owner without anything being rewritten.
CREATE TABLE people (
    person_id uuid PRIMARY KEY,
    phone_number text NOT NULL UNIQUE CHECK (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
    -- ISO 3166-1 alpha-2, of the number.
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    create_time timestamptz NOT NULL
);

-- Codes that were sent to phones. Rows stay for a day, as long as a number's limits look back.
CREATE TABLE registrations (
    registration_id uuid PRIMARY KEY,
    phone_number text NOT NULL,
    country text NOT NULL,
    code_hmac bytea NOT NULL,
    tries_left smallint NOT NULL CHECK (tries_left >= 0),
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    -- The device that it made. A registration makes one.
    device_id uuid
);

-- How many codes a number was sent lately.
CREATE INDEX registrations_of_number ON registrations (phone_number, create_time);
-- What is old enough to be swept.
CREATE INDEX registrations_by_age ON registrations (create_time);

-- How many registrations began in each minute, whatever the number: the guard against somebody who
-- has codes sent to a million numbers.
CREATE TABLE registration_minutes (
    minute timestamptz PRIMARY KEY,
    started integer NOT NULL
);

-- Everything that holds sessions: people's devices, and businesses' edges. One edge serves many
-- businesses, with other keys for each; so an end is named by its owner (a person or a business)
-- and its id.
CREATE TABLE ends (
    owner_id uuid NOT NULL,
    end_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('device', 'edge')),
    ed25519_key bytea NOT NULL CHECK (length(ed25519_key) = 32),
    curve25519_key bytea NOT NULL CHECK (length(curve25519_key) = 32),
    identity_key_signature bytea NOT NULL CHECK (length(identity_key_signature) = 64),
    fallback_key bytea NOT NULL CHECK (length(fallback_key) = 32),
    fallback_key_signature bytea NOT NULL CHECK (length(fallback_key_signature) = 64),
    create_time timestamptz NOT NULL,
    revoke_time timestamptz,
    PRIMARY KEY (owner_id, end_id)
);

-- A business that claims names a device without naming its person. A device is one person's.
CREATE UNIQUE INDEX devices_by_end ON ends (end_id) WHERE kind = 'device';

-- What only a person's device has.
CREATE TABLE devices (
    device_id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES people,
    label text NOT NULL,
    credential_sha256 bytea NOT NULL CHECK (length(credential_sha256) = 32),
    FOREIGN KEY (person_id, device_id) REFERENCES ends (owner_id, end_id)
);

-- One-time keys: each begins one session. A key that was given out keeps its row for a while, so
-- that an end that publishes it again, because an answer was lost, does not have it given out
-- twice.
CREATE TABLE one_time_keys (
    owner_id uuid NOT NULL,
    end_id uuid NOT NULL,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    publish_time timestamptz NOT NULL,
    claim_time timestamptz,
    PRIMARY KEY (owner_id, end_id, public_key),
    FOREIGN KEY (owner_id, end_id) REFERENCES ends
);

-- What is left to claim, oldest first.
CREATE INDEX one_time_keys_left ON one_time_keys (owner_id, end_id, publish_time)
    WHERE claim_time IS NULL;
-- What is old enough to be swept.
CREATE INDEX one_time_keys_claimed ON one_time_keys (claim_time) WHERE claim_time IS NOT NULL;

-- How many bundles of an end a party (a business, or a person by their devices) claimed since
-- `since`: the guard against somebody who drains an end of its one-time keys.
CREATE TABLE key_claims (
    party_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    end_id uuid NOT NULL,
    since timestamptz NOT NULL,
    claims integer NOT NULL,
    PRIMARY KEY (party_id, owner_id, end_id)
);

CREATE INDEX key_claims_by_age ON key_claims (since);
