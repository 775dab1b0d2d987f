-- The four steps of phase 2, without the looks at key and limit.
BEGIN;
SELECT available_units FROM skus WHERE sku = :sku FOR UPDATE;
UPDATE skus SET available_units = available_units - 1 WHERE sku = :sku;
INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
    VALUES (gen_random_uuid(), :sku, 'b-' || substr(md5(random()::text), 1, 16),
        'k-' || substr(md5(random()::text), 1, 16), 1, now());
COMMIT;
