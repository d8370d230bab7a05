-- Ends or postpones a delivery. args: id, outcome (delivered, later, untried, dead or replay), delay_ms, error,
-- dead_ttl_ms. `untried` gives the try back: the courier took the delivery and did not send it.
-- Replies 1, or 0 if there is no such delivery.
local delivery = key('delivery', args.id)
if redis.call('EXISTS', delivery) == 0 then return 0 end
if args.outcome == 'delivered' then
  redis.call('ZREM', key('outbox'), args.id)
  redis.call('ZREM', key('dead_deliveries'), args.id)
  redis.call('DEL', delivery)
  return 1
end
if args.outcome == 'untried' then redis.call('HINCRBY', delivery, 'tries', -1) end
if args.outcome == 'replay' then redis.call('HSET', delivery, 'tries', 0) end
if args.error then redis.call('HSET', delivery, 'error', args.error) end
if args.outcome == 'dead' then
  redis.call('ZREM', key('outbox'), args.id)
  redis.call('ZREMRANGEBYSCORE', key('dead_deliveries'), '-inf', ms(now - args.dead_ttl_ms))
  redis.call('ZADD', key('dead_deliveries'), ms(now), args.id)
  redis.call('PEXPIRE', delivery, ms(args.dead_ttl_ms))
else
  redis.call('ZREM', key('dead_deliveries'), args.id)
  redis.call('PERSIST', delivery)
  redis.call('ZADD', key('outbox'), ms(now + number(args.delay_ms)), args.id)
end
return 1
