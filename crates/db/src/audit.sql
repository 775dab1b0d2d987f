WITH sold AS (
    SELECT buyer_id, idempotency_key, units, status FROM orders WHERE sku = $1
)
SELECT skus.initial_units,
       skus.restocked_units,
       skus.available_units,
       (SELECT coalesce(sum(units), 0)::bigint FROM sold) AS accepted_units,
       (SELECT coalesce(sum(units), 0)::bigint FROM sold
         WHERE status = 'cancelled') AS cancelled_units,
       (SELECT count(*) FROM (
            SELECT FROM sold GROUP BY buyer_id, idempotency_key HAVING count(*) > 1
        ) AS repeated) AS duplicate_keys,
       (SELECT count(*) FROM (
            SELECT FROM sold WHERE status = 'accepted'
             GROUP BY buyer_id HAVING sum(units) > skus.per_buyer_limit
        ) AS overrun) AS limit_overruns
  FROM skus
 WHERE skus.sku = $1
