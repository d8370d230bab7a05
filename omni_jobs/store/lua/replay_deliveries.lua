-- Sends deliveries again, from the first try on, under the ids that they have. args: account, ids. Replies those that
-- are sent: not what belongs to another, is gone, or is with a courier now.
local sent = {}
for _, id in ipairs(args.ids) do
  local delivery = key('delivery', id)
  local known = redis.call('HMGET', delivery, 'account', 'state', 'taken_until_ms')
  local is_taken = known[2] == 'waiting' and number(known[3]) > now
  if known[1] == args.account and not is_taken then
    redis.call('HSET', delivery, 'tries', 0)
    move_delivery(id, 'waiting', ms(now))
    sent[#sent + 1] = id
  end
end
return sent
