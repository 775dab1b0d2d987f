-- Whatever adds to available_units outside of creation moves the fence forward: what was
-- said about the stock under an older fence no longer holds.
ALTER TABLE skus ADD COLUMN fence bigint NOT NULL DEFAULT 1;

COMMENT ON COLUMN skus.fence IS 'Version of the supply; goes up with each cancellation, restock and reload of the gate (phase 3)';

CREATE TABLE restocks (
    sku             text        NOT NULL REFERENCES skus,
    idempotency_key text        NOT NULL,
    units           bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (sku, idempotency_key),
    CONSTRAINT restocks_units_positive CHECK (units > 0)
);

COMMENT ON TABLE restocks IS 'Units added to a SKU; one row per SKU and key, never deleted';
COMMENT ON COLUMN restocks.sku IS 'What was added to';
COMMENT ON COLUMN restocks.idempotency_key IS 'The caller''s name for this restock, 1 to 128 characters';
COMMENT ON COLUMN restocks.units IS 'How many were added; whole units';
COMMENT ON COLUMN restocks.created_at IS 'When they were added; UTC, microseconds';
