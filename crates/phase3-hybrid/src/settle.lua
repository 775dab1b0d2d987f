-- Ends the permit of a request: its units are an order now, or free again.
-- KEYS: the gate   ARGV: the name of the request, its units, 'accepted', 'replayed' or 'none'
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local is_permit = redis.call('HGET', KEYS[1], ARGV[1]) == '1'
if is_permit and ARGV[3] ~= 'accepted' then redis.call('HINCRBY', KEYS[1], 'free_units', ARGV[2]) end
if ARGV[3] ~= 'none' then redis.call('HSET', KEYS[1], ARGV[1], 0)
elseif is_permit then redis.call('HDEL', KEYS[1], ARGV[1]) end
