-- Messages, and what people wrote, are forgotten some time after they were accepted
-- (services/messaging/housekeeping.py). Windows stay: there is one for each person and business, and
-- "never wrote" is another answer than "wrote long ago".
--
-- No BRIN, although rows lie in the order of their time: where old rows went, new ones come, and a
-- range that ever held an old one would be read in each sweep for ever. The time of acceptance never
-- changes, so an update of a message still touches no index; new entries all go to the same page.
CREATE INDEX messages_by_age ON messages (accept_time);
CREATE INDEX submissions_by_age ON submissions (accept_time);
