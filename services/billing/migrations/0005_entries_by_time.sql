-- Statements add up what a business booked in a period: its entries in the order of their time.
CREATE INDEX entries_by_time ON entries (business_id, create_time, entry_id);
