-- Drawn while the stock row is locked, so per SKU it grows in the order of the commits:
-- whoever has read up to a number misses nothing before it. Order ids say nothing of that.
ALTER TABLE orders ADD COLUMN number bigint NOT NULL GENERATED ALWAYS AS IDENTITY;

COMMENT ON COLUMN orders.number IS 'Order of the commits within a SKU; has gaps';

-- Serves the audit, and whoever asks for the orders of a SKU after a number.
CREATE INDEX orders_of_sku_by_number ON orders (sku, number);
DROP INDEX orders_of_sku;
