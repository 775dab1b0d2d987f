-- Admits as many of a batch of requests as fit, in their order. A refusal writes nothing.
-- KEYS: the gate   ARGV: the oldest fence that counts, then the units of each request
-- Returns: { fence, 1 or 0 for each request }, or {} for a gate that is not loaded, or that
-- has gone back behind what the caller has seen of it, or that is no gate at all
local gate = redis.pcall('HMGET', KEYS[1], 'fence', 'free_units')
local fence, free_units = tonumber(gate[1]), tonumber(gate[2])
if not fence or not free_units or fence < tonumber(ARGV[1]) then return {} end
if fence >= 2^52 then return {} end

local answers, left = { fence }, free_units
for i = 2, #ARGV do
    local units = tonumber(ARGV[i])
    if units <= left then
        left = left - units
        answers[i] = 1
    else
        answers[i] = 0
    end
end
if left < free_units then redis.call('HSET', KEYS[1], 'free_units', left) end
return answers
