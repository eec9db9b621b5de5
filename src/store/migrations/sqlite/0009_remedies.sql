-- What lifts what is in an environment's way: 'azure' where Azure's state alone can, 'commit'; NULL where nothing is in
-- the way, or an older version wrote the attempt.
ALTER TABLE environments ADD COLUMN attempt_remedy TEXT;
