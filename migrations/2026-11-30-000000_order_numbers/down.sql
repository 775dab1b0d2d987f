CREATE INDEX orders_of_sku ON orders (sku);
ALTER TABLE orders DROP COLUMN number;
