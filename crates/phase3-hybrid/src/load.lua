-- Loads a gate from PostgreSQL. Only ever forward: a fence that is not newer changes
-- nothing, so a late loader cannot give out again what has been admitted since.
-- KEYS: the gate   ARGV: fence, available units
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence'))
if fence and fence >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1],
    'fence', ARGV[1], 'free_units', ARGV[2], 'loaded_units', ARGV[2])
return 1
