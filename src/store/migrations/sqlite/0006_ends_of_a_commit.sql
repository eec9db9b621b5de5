-- So that what is open of a commit, and what ended last, is found without reading the rest.

CREATE INDEX work_ends_by_commit ON work (commit_id, kind, ended_at);
