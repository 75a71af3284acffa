-- Where swept verdicts were, new ones come, and a range of a BRIN that ever held an old one stays wide:
-- after the first forty days each sweep read the whole table, to find nothing.
DROP INDEX verdicts_by_age;
CREATE INDEX verdicts_by_age ON verdicts (screen_time);
