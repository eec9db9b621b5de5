-- So that whoever waits for a lease can say since when somebody has it.

ALTER TABLE leases ADD COLUMN since BIGINT;     -- microseconds; NULL where an older version took it
