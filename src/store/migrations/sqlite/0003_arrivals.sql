-- Every head that a branch ever had, with when it was first seen: so it is known when a commit reached the
-- main branch. Old ones are pruned.

CREATE TABLE arrivals (
    branch TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (branch, commit_id)
);
CREATE INDEX arrivals_by_time ON arrivals (seen_at);
INSERT INTO arrivals (branch, commit_id, seen_at) SELECT branch, commit_id, seen_at FROM heads;
