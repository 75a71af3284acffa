-- What messaging said of each message, so that the ledger can be compared with it: whoever was
-- charged got the message, and whoever got it was charged.
CREATE TABLE receipts (
    business_id uuid NOT NULL,
    message_id uuid NOT NULL,
    -- Whether it was delivered; else it was refused, or expired.
    delivered boolean NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (business_id, message_id, delivered)
);

-- Of what was booked before there were receipts, nobody can say. One row.
CREATE TABLE receipts_begin (
    entry_id bigint NOT NULL
);
INSERT INTO receipts_begin SELECT coalesce(max(entry_id), 0) FROM entries;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON receipts_begin
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON receipts TO PUBLIC;
GRANT SELECT ON receipts_begin TO PUBLIC;
