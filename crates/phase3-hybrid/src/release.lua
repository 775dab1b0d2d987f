-- Gives back the permit of a key, once. Does nothing where the key has none.
-- KEYS: gate hash, hash of known keys -> units, hash of buyers -> units
-- ARGV: buyer, buyer and idempotency key
local units = redis.call('HGET', KEYS[2], ARGV[2])
if not units then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'free_units', units)
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then
    redis.call('HINCRBY', KEYS[3], ARGV[1], -units)
end
return 1
