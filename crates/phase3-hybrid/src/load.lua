-- Fills the gate of a SKU from PostgreSQL. Only the first loader fills it: one that was
-- slower must not overwrite what has been admitted since.
-- KEYS: gate hash, hash of known keys -> units, hash of buyers -> units
-- ARGV: 'orders', then buyer, buyer and idempotency key, units; and again
--    or 'open', free units, limit per buyer or ''
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if ARGV[1] == 'open' then
    redis.call('HSET', KEYS[1], 'free_units', ARGV[2])
    if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'per_buyer_limit', ARGV[3]) end
    return 1
end
for i = 2, #ARGV, 3 do
    if redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2]) == 1 then
        redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 2])
    end
end
return 1
