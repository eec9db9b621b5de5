-- Pull requests: what is proposed, what is said about it, and what people ask for in comments.

ALTER TABLE work ADD COLUMN reads_commit TEXT;  -- the merge result that is planned; NULL: commit_id itself
ALTER TABLE outbox ADD COLUMN pull_request BIGINT;
ALTER TABLE inbox ADD COLUMN about TEXT;         -- what to look at beside Git: pull:7, or commit:ID to check once more

CREATE TABLE pull_requests (
    pull_request BIGINT NOT NULL PRIMARY KEY,
    head TEXT NOT NULL,
    base_branch TEXT NOT NULL,
    base_commit TEXT NOT NULL,          -- the head of the base branch that the plan was made against
    origin TEXT NOT NULL,               -- same_repository, fork
    refusal TEXT,                       -- why it is not planned
    approved_head TEXT,                 -- the head that a maintainer has asked a plan of
    activity TEXT NOT NULL,             -- up to which change of it its comments were read
    said TEXT NOT NULL,                 -- JSON: what its comment says, older plans included
    first_seen_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    closed_at BIGINT
);
CREATE INDEX pull_requests_open ON pull_requests (pull_request) WHERE closed_at IS NULL;

CREATE TABLE sections (
    work_id INTEGER NOT NULL PRIMARY KEY REFERENCES work (work_id) ON DELETE CASCADE,
    section TEXT NOT NULL               -- JSON: what the comment says of one environment
);

CREATE TABLE messages (
    message_id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_key TEXT NOT NULL UNIQUE,   -- a newer message of the same key takes the place of an older one
    message TEXT NOT NULL,              -- JSON
    version BIGINT NOT NULL,            -- grows with every replacement
    remote_id TEXT,                     -- the forge's id of the comment that carries it
    queued_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    last_error TEXT,
    delivered_at BIGINT
);
CREATE INDEX messages_pending ON messages (message_id) WHERE delivered_at IS NULL;
CREATE INDEX messages_by_time ON messages (queued_at);
CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;

CREATE TABLE commands (
    pull_request BIGINT NOT NULL,
    comment_id TEXT NOT NULL,
    command TEXT NOT NULL,              -- JSON
    read_at BIGINT NOT NULL,
    handled_at BIGINT,
    PRIMARY KEY (pull_request, comment_id)
);
CREATE INDEX commands_open ON commands (pull_request) WHERE handled_at IS NULL;

-- When messages were written to the forge, each time.
CREATE TABLE message_writes (
    written_at BIGINT NOT NULL
);
CREATE INDEX message_writes_by_time ON message_writes (written_at);
