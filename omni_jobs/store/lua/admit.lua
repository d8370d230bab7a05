-- Whose key this is, and whether its account and it may make one more request. args: id, digest, limits (defaults).
-- Replies {unknown}, {revoked}, {expired, when}, {limited, owner, limit, milliseconds to wait} or {admitted, account, scopes} with, if
-- there is a limit, {limit, remaining, milliseconds until all is free again} of the tighter one.
-- The rate is a generic cell rate algorithm: one number an owner, the time at which its past requests are paid for.
-- Digests of random secrets need no comparison in constant time.
local NOTED_MS = 60000
local MINUTE_MS = 60000
local place = key('api_key', args.id)
local known = redis.call('HMGET', place, 'digest', 'account', 'scopes', 'revoked_ms', 'used_ms', 'expires_ms')
if known[1] ~= args.digest then return {'unknown'} end
if known[4] then return {'revoked'} end
if known[6] and number(known[6]) <= now then return {'expired', known[6]} end

local owners = owners_of(known[2], args.id)
local paid, tightest = {}, nil
for _, owner in ipairs(owners) do
  local limit = limit_of(owner, 'requests_per_minute', args.limits)
  if limit and limit < 1 then return {'limited', owner, 0, ms(MINUTE_MS)} end
  if limit then
    local each = MINUTE_MS / limit
    local until_ms = math.max(now, number(redis.call('GET', key('rate', owner)))) + each
    local busy = until_ms - now
    if busy > MINUTE_MS then return {'limited', owner, ms(limit), ms(math.ceil(busy - MINUTE_MS))} end
    paid[owner] = until_ms
    local remaining = math.floor((MINUTE_MS - busy) / each + 0.000001)
    if not tightest or remaining < tightest[2] then tightest = {ms(limit), remaining, ms(math.ceil(busy))} end
  end
end
for owner, until_ms in pairs(paid) do
  redis.call('SET', key('rate', owner), string.format('%.3f', until_ms), 'PX', ms(math.ceil(until_ms - now)))
end
note_usage(owners, {requests = 1})
if now - number(known[5]) >= NOTED_MS then redis.call('HSET', place, 'used_ms', ms(now)) end
return {'admitted', known[2], known[3], tightest}
