-- The journal, format 2. Described in docs/journal.md; changed only with a migration and another user_version.
PRAGMA application_id = 0x52756E77; -- "Runw"
PRAGMA user_version = 2;
CREATE TABLE events (
    seq   INTEGER PRIMARY KEY, -- 1, 2, 3 ... without a gap
    time  REAL    NOT NULL,    -- seconds of the experiment
    trial INTEGER,             -- the trial that the event is about
    kind  TEXT    NOT NULL,    -- name of the event
    body  TEXT    NOT NULL,    -- its other fields, as compact JSON
    crc   INTEGER NOT NULL     -- CRC-32 of the others: see docs/journal.md
) STRICT;
