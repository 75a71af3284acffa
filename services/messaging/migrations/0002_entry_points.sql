-- People who come by a business's link: their device says so with the first message that they write.
-- Where the business answers within 24 hours, billing's card may make its messages free for a time.
ALTER TABLE windows
    -- When the person last came by a link; null: never.
    ADD COLUMN entry_point_time timestamptz,
    -- When the business last answered a person who had so come, in time. The person may have come
    -- again since: then the next message is an answer too, and this one holds until there is one.
    ADD COLUMN entry_point_answer_time timestamptz;
