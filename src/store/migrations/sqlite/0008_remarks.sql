-- What the head brought beside this work that nobody acts on: told at the end of the commit's work.
ALTER TABLE work ADD COLUMN remark TEXT;
