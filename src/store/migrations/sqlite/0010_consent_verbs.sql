-- What a comment consents to: to destroy, as all did before, or to release.
ALTER TABLE consents ADD COLUMN verb TEXT NOT NULL DEFAULT 'destroy';
