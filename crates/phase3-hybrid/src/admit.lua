-- Admits a purchase request, or says why not. A refusal writes nothing.
-- KEYS: gate hash, hash of known keys -> units, hash of buyers -> units
-- ARGV: buyer, buyer and idempotency key, units
-- Returns: not-loaded | known-key | not-enough | limit-reached | admitted
local gate = redis.call('HMGET', KEYS[1], 'free_units', 'per_buyer_limit')
if not gate[1] then return 'not-loaded' end

-- The key comes first: a winner who asks again must not be told "sold out".
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 'known-key' end

local units = tonumber(ARGV[3])
if units > tonumber(gate[1]) then return 'not-enough' end
if gate[2] then
    local owned = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
    if owned + units > tonumber(gate[2]) then return 'limit-reached' end
end

-- Lua has no roll-back: everything above only reads, nothing below can fail.
redis.call('HINCRBY', KEYS[1], 'free_units', -units)
redis.call('HSET', KEYS[2], ARGV[2], units)
if gate[2] then redis.call('HINCRBY', KEYS[3], ARGV[1], units) end
return 'admitted'
