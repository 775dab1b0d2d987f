-- Transactions are those that wrote: each takes one number, and readers, this query among
-- them, take none. The statistics of PostgreSQL would come up to ten seconds late.
SELECT 'orders', count(*) FROM orders WHERE starts_with(sku, '{prefix}')
 UNION ALL
SELECT 'stock_taken', coalesce(sum(initial_units - available_units), 0)::bigint
  FROM skus WHERE starts_with(sku, '{prefix}')
 UNION ALL
SELECT 'transactions', pg_snapshot_xmax(pg_current_snapshot())::text::bigint
 UNION ALL
SELECT 'wal_bytes', (pg_current_wal_insert_lsn() - '0/0')::bigint
