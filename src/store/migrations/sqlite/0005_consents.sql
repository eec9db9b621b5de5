-- What stood on a pull request when, and what people consented to there.

CREATE TABLE shown (
    shown_id INTEGER PRIMARY KEY AUTOINCREMENT,
    pull_request BIGINT NOT NULL,
    head TEXT NOT NULL,                 -- the proposed commit that the comment spoke of
    shown_at BIGINT NOT NULL,           -- by the forge's clock
    account TEXT,                       -- the forge's id of our own account
    asked TEXT NOT NULL                 -- JSON: what needed consent: addresses, and what they are in Azure
);
CREATE INDEX shown_by_pull_request ON shown (pull_request, shown_at);
CREATE INDEX shown_by_time ON shown (shown_at);

CREATE TABLE consents (
    pull_request BIGINT NOT NULL,
    comment_id TEXT NOT NULL,
    target TEXT NOT NULL,               -- the address that may be destroyed
    head TEXT NOT NULL,                 -- the proposed commit that its author was shown
    arm_id TEXT NOT NULL,               -- what that address was in Azure then
    author TEXT NOT NULL,               -- JSON
    body_digest TEXT NOT NULL,          -- of the comment as it was read
    written_at BIGINT NOT NULL,         -- by the forge's clock
    withdrawn_at BIGINT,
    PRIMARY KEY (pull_request, comment_id, target)
);
CREATE INDEX consents_by_time ON consents (written_at);
