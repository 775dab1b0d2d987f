-- Gives units back to the gate that they were taken from, and to no other; never more than
-- it was loaded with.
-- KEYS: the gate   ARGV: fence, units
local gate = redis.call('HMGET', KEYS[1], 'fence', 'free_units', 'loaded_units')
if gate[1] ~= ARGV[1] then return 0 end
local free_units = tonumber(gate[2]) + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'free_units', math.min(free_units, tonumber(gate[3])))
return 1
