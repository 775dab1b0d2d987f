-- Writes part of a gate. It admits nobody before it has a number, which comes last.
-- KEYS: the gate   ARGV: its lifetime in ms, its free units or '', the names of some orders
for i = 3, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], 0) end
if ARGV[2] == '' then return redis.call('PEXPIRE', KEYS[1], ARGV[1], 'NX') end
if redis.call('HSETNX', KEYS[1], 'free_units', ARGV[2]) == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
