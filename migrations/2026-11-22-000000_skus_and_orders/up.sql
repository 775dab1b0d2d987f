-- One row per SKU. Every sale updates it, so the page has room for new row versions
-- (fillfactor) and no index covers a column that changes: updates stay heap-only.
CREATE TABLE skus (
    sku             text   PRIMARY KEY,
    initial_units   bigint NOT NULL,
    restocked_units bigint NOT NULL DEFAULT 0,
    available_units bigint NOT NULL,
    per_buyer_limit bigint,
    CONSTRAINT skus_initial_units_in_range CHECK (initial_units >= 0),
    CONSTRAINT skus_restocked_units_in_range CHECK (restocked_units >= 0),
    -- This does not stop an oversell: a lost update never makes the number negative.
    CONSTRAINT skus_available_units_in_range CHECK (available_units >= 0),
    CONSTRAINT skus_per_buyer_limit_in_range CHECK (per_buyer_limit >= 1)
) WITH (fillfactor = 20);

COMMENT ON TABLE skus IS 'What is for sale; one row per SKU, the row the crowd fights for';
COMMENT ON COLUMN skus.sku IS 'Name of the SKU, 1 to 64 characters';
COMMENT ON COLUMN skus.initial_units IS 'Units on sale at the start; whole units, never changes';
COMMENT ON COLUMN skus.restocked_units IS 'Units added since; whole units';
COMMENT ON COLUMN skus.available_units IS 'Units that can still be sold; whole units; written by the phase crates only';
COMMENT ON COLUMN skus.per_buyer_limit IS 'Most units one buyer may have over all orders; whole units; null is no limit';

-- No foreign key: it would look up the SKU once more for every row, which costs as much as
-- the row itself. Whoever inserts has read the SKU before, and no SKU is ever deleted.
CREATE TABLE orders (
    order_id        uuid        PRIMARY KEY,
    sku             text        NOT NULL,
    buyer_id        text        NOT NULL,
    idempotency_key text        NOT NULL,
    units           bigint      NOT NULL,
    status          text        NOT NULL DEFAULT 'accepted',
    created_at      timestamptz NOT NULL,
    -- The last word on retries: whatever else fails, one key becomes one order.
    CONSTRAINT orders_one_per_key UNIQUE (buyer_id, idempotency_key),
    CONSTRAINT orders_units_positive CHECK (units > 0),
    CONSTRAINT orders_status_known CHECK (status IN ('accepted', 'cancelled'))
);

-- Serves the audit and the latches. The limit per buyer is served by orders_one_per_key.
CREATE INDEX orders_of_sku ON orders (sku);

COMMENT ON TABLE orders IS 'Accepted purchases; one row per buyer and key, never deleted';
COMMENT ON COLUMN orders.order_id IS 'Name of the order, UUID version 7';
COMMENT ON COLUMN orders.sku IS 'What was bought';
COMMENT ON COLUMN orders.buyer_id IS 'Who bought, 1 to 128 characters';
COMMENT ON COLUMN orders.idempotency_key IS 'The buyer''s name for this purchase, 1 to 128 characters';
COMMENT ON COLUMN orders.units IS 'How many were bought; whole units';
COMMENT ON COLUMN orders.status IS 'accepted: the buyer has the units; cancelled: they went back into stock';
COMMENT ON COLUMN orders.created_at IS 'When the order was accepted; UTC, microseconds';
