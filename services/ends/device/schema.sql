-- What one device keeps, in SQLite. Pickles are encrypted under the key file beside the database.

-- The device itself: one row.
CREATE TABLE IF NOT EXISTS device (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    person_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    credential TEXT NOT NULL,
    account TEXT NOT NULL,
    -- How many one-time keys identity has, as far as the device can tell.
    one_time_keys_left INTEGER NOT NULL
);

-- A registration that identity may have completed without the device knowing: one row, or none. The
-- same request again, with the keys of the same account, is answered with the same device.
CREATE TABLE IF NOT EXISTS registering (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    phone_number TEXT NOT NULL,
    registration_id TEXT NOT NULL,
    code TEXT NOT NULL,
    account TEXT NOT NULL
);

-- Sessions with edges. Stored together with what was opened or sealed with them. `used` grows with
-- each use: the session used last is the one that both ends have.
CREATE TABLE IF NOT EXISTS sessions (
    business_id TEXT NOT NULL,
    end_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    session TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (business_id, end_id, session_id)
);

-- Messages in both directions. `content` is a hudhud.content.v1.Content. For a message from a
-- business, `franking_key` and `clearance` prove what the business sent. `read` is 0 until the person
-- has seen it, then 1 until messaging has the receipt, then 2.
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    incoming INTEGER NOT NULL,
    content BLOB NOT NULL,
    franking_key BLOB,
    clearance BLOB,
    time_milliseconds INTEGER NOT NULL,
    read INTEGER NOT NULL DEFAULT 0,
    UNIQUE (business_id, incoming, message_id)
);

CREATE INDEX IF NOT EXISTS reads_to_tell ON messages (position) WHERE read = 1;

-- Messages of this device that messaging has not confirmed: the same ciphertexts go out again.
CREATE TABLE IF NOT EXISTS outbox (
    message_id TEXT PRIMARY KEY,
    item BLOB NOT NULL
);
