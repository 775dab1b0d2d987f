-- Admits a request if its units are free, and remembers it. A refusal writes nothing.
-- KEYS: the gate   ARGV: the name of the request, its units
-- Returns: 1 admitted, 0 refused, nil for a gate that is not there
local free_units = redis.call('HGET', KEYS[1], 'free_units')
if not free_units then return nil end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
if tonumber(free_units) < tonumber(ARGV[2]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'free_units', -ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
