-- Leases due deliveries to a courier, and forgets what was kept long enough. args: limit, lease_ms. Replies their
-- hashes, flat.
forget_old_deliveries()
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('outbox'), '-inf', ms(now), 'LIMIT', 0, args.limit)) do
  local delivery = key('delivery', id)
  if redis.call('EXISTS', delivery) == 0 then
    redis.call('ZREM', key('outbox'), id)
  else
    local until_ms = ms(now + args.lease_ms)
    redis.call('ZADD', key('outbox'), until_ms, id)
    redis.call('HSET', delivery, 'taken_until_ms', until_ms)
    redis.call('HINCRBY', delivery, 'tries', 1)
    taken[#taken + 1] = redis.call('HGETALL', delivery)
  end
end
return taken
