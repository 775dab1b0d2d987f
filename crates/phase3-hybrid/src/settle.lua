-- Ends the permit of a request: its units are an order now, or free again.
-- KEYS: the gate   ARGV: the name of the request, 'accepted', 'replayed' or 'none'
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local permit_units = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
if permit_units > 0 and ARGV[2] ~= 'accepted' then redis.call('HINCRBY', KEYS[1], 'free_units', permit_units) end
if ARGV[2] ~= 'none' then redis.call('HSET', KEYS[1], ARGV[1], 0)
elseif permit_units > 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
