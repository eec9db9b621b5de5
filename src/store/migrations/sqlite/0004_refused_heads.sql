-- A head that cannot be looked into is seen all the same, and the next one is compared with the last that
-- could be. NULL: commit_id itself; empty: there was none.

ALTER TABLE heads ADD COLUMN compared_commit TEXT;
