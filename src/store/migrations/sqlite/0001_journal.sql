-- Times are microseconds since 1970; ids, names and JSON are text. Only TEXT, BIGINT and SMALLINT, so
-- that the same statements run on PostgreSQL.

CREATE TABLE leases (
    lease_key TEXT NOT NULL PRIMARY KEY,
    holder TEXT,                        -- NULL once released; the row stays, so that fences only grow
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    run_end TEXT,
    record TEXT NOT NULL                -- JSON of RunRecord, the plan included
);
CREATE INDEX runs_by_environment ON runs (environment, began_at);
CREATE INDEX runs_by_time ON runs (began_at);
CREATE INDEX runs_unfinished ON runs (began_at) WHERE ended_at IS NULL;

CREATE TABLE events (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    step BIGINT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    poll_url TEXT,                      -- signed, hence a secret: gone when its step or run has ended
    fence BIGINT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE reports (
    run_id TEXT NOT NULL PRIMARY KEY,   -- also of plans, which are no runs of the journal
    environment TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    report TEXT NOT NULL
);
CREATE INDEX reports_by_time ON reports (ended_at);

CREATE TABLE heads (
    branch TEXT NOT NULL PRIMARY KEY,
    commit_id TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);

CREATE TABLE work (
    work_id INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    branch TEXT NOT NULL,
    kind TEXT NOT NULL,
    environment TEXT NOT NULL,
    path TEXT NOT NULL,
    removed SMALLINT NOT NULL,
    input_digest TEXT,
    state TEXT NOT NULL,                -- queued, running, ended
    run_id TEXT,
    run_end TEXT,
    summary TEXT,
    queued_at BIGINT NOT NULL,
    began_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX work_open ON work (work_id) WHERE state <> 'ended';
CREATE INDEX work_by_commit ON work (commit_id, kind, environment);
CREATE INDEX work_by_end ON work (ended_at);

CREATE TABLE environments (
    environment TEXT NOT NULL PRIMARY KEY,
    path TEXT NOT NULL,
    subscription TEXT NOT NULL,
    resource_group TEXT NOT NULL,
    complete_commit TEXT,
    complete_digest TEXT,
    attempt_commit TEXT,
    attempt_digest TEXT,
    attempt_end TEXT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE claims (
    environment TEXT NOT NULL REFERENCES environments (environment) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    claim_key TEXT NOT NULL,
    PRIMARY KEY (environment, kind, claim_key)
);
CREATE INDEX claims_by_key ON claims (kind, claim_key);

CREATE TABLE inbox (
    inbox_id INTEGER PRIMARY KEY AUTOINCREMENT,
    forge TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    event TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    handled_at BIGINT,
    UNIQUE (forge, delivery_id)
);
CREATE INDEX inbox_pending ON inbox (inbox_id) WHERE handled_at IS NULL;
CREATE INDEX inbox_by_time ON inbox (received_at);

CREATE TABLE outbox (
    outbox_id INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    context TEXT NOT NULL,
    state TEXT NOT NULL,
    description TEXT NOT NULL,
    target_url TEXT,
    generation BIGINT NOT NULL,         -- the newest work that the context was about when it was queued
    queued_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    last_error TEXT,
    delivered_at BIGINT
);
CREATE INDEX outbox_by_context ON outbox (commit_id, context, outbox_id);
CREATE INDEX outbox_pending ON outbox (outbox_id) WHERE delivered_at IS NULL;
CREATE INDEX outbox_by_time ON outbox (queued_at);
