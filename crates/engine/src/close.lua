-- Closes a gate: PostgreSQL said, under this fence, that nothing is left. Permits that come
-- back later find it closed.
-- KEYS: the gate   ARGV: fence, 0
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'free_units', ARGV[2], 'loaded_units', ARGV[2])
return 1
