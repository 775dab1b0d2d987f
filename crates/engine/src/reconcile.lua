-- Reconciles a gate with PostgreSQL. Only ever forward: a fence that is not newer changes
-- nothing, so a late loader cannot give out again what has been admitted since. What is no
-- gate at all is replaced.
-- KEYS: the gate   ARGV: fence, available units
-- Returns: the fence that the gate has now
local fence = redis.pcall('HGET', KEYS[1], 'fence')
if type(fence) == 'table' then redis.call('DEL', KEYS[1]) end
fence = tonumber(fence)
if fence and fence < 2^52 and fence >= tonumber(ARGV[1]) then return fence end
redis.call('HSET', KEYS[1],
    'fence', ARGV[1], 'free_units', ARGV[2], 'loaded_units', ARGV[2])
return tonumber(ARGV[1])
