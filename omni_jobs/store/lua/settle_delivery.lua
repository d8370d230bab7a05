-- Ends or postpones a delivery that was taken. args: id, outcome (delivered, given_up, later or untried), delay_ms,
-- error, attempt (a try's line in the log, JSON). `untried` gives the try back: the courier did not send it.
-- Replies 1, or 0 if there is no such delivery, or another courier ended it.
local delivery = key('delivery', args.id)
if redis.call('EXISTS', delivery) == 0 then return 0 end
local known = redis.call('HMGET', delivery, 'account', 'type', 'state', 'is_deleted')
if known[3] and known[3] ~= 'waiting' then return 0 end
local is_last = args.outcome == 'delivered' or args.outcome == 'given_up'
-- Progress is worth nothing later: newer progress, or the end, follows it.
if known[2] == 'job.progress' or (is_last and known[4]) then
  forget_delivery(args.id)
  return 1
end
if args.attempt then
  redis.call('RPUSH', key('delivery_tries', args.id), args.attempt)
  redis.call('LTRIM', key('delivery_tries', args.id), -KEPT_TRIES, -1)
end
if args.outcome == 'untried' then redis.call('HINCRBY', delivery, 'tries', -1) end
if args.outcome == 'delivered' then
  redis.call('HDEL', delivery, 'error')
elseif args.error then
  redis.call('HSET', delivery, 'error', args.error)
end
if is_last then
  end_delivery(args.id, known[1] or '', args.outcome)
else
  move_delivery(args.id, 'waiting', ms(now + number(args.delay_ms)))
end
return 1
