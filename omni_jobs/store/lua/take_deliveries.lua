-- Leases due deliveries to a courier. args: limit, lease_ms. Replies their hashes, flat.
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('outbox'), '-inf', ms(now), 'LIMIT', 0, args.limit)) do
  local delivery = key('delivery', id)
  if redis.call('EXISTS', delivery) == 0 then
    redis.call('ZREM', key('outbox'), id)
  else
    redis.call('ZADD', key('outbox'), ms(now + args.lease_ms), id)
    redis.call('HINCRBY', delivery, 'tries', 1)
    taken[#taken + 1] = redis.call('HGETALL', delivery)
  end
end
return taken
