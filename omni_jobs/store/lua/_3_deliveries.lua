-- Webhooks and copies on their way, and what is kept of those that ended. A delivery is `waiting`, then `delivered` or
-- `given_up`; it stands in its account's index by state, and in one list of all by state: what waits by its next try,
-- what ended by its end.
local HOUR_MS = 3600000
-- What is kept of those that ended: so long, so many of an account, so many in all.
local KEPT_DELIVERIES = {
  delivered = {ms = 72 * HOUR_MS, of_account = 1000, in_all = 20000},
  given_up = {ms = 720 * HOUR_MS, of_account = 10000, in_all = 100000},
}
local KEPT_TRIES = 20
-- How many are forgotten at a time, so that no script takes long.
local FORGOTTEN_AT_ONCE = 20

local function deliveries_in(state)
  return state == 'waiting' and key('outbox') or key('ended_deliveries', state)
end

local function wants(hook, type)
  for _, wanted in ipairs(hook.events) do
    if wanted == type then return true end
  end
  return false
end

-- Whether the endpoint that the account registered for this URL, if any, takes such events.
local function endpoint_takes(account, url, type)
  local row = redis.call('HGET', key('endpoints', account), url)
  local endpoint = row and cjson.decode(row) or {}
  return not endpoint.events or wants(endpoint, type)
end

-- `fields` are id, account, job_id, type, sequence and url, and what the body is made of.
local function put_delivery(fields)
  local flat = {'created_ms', ms(now), 'tries', 0, 'state', 'waiting', 'at_ms', ms(now)}
  for name, value in pairs(fields) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', key('delivery', fields.id), unpack(flat))
  redis.call('ZADD', key('outbox'), ms(now), fields.id)
  redis.call('ZADD', key('deliveries', fields.account, 'waiting'), ms(now), fields.id)
end

local function add_delivery(job, url, id, type, sequence)
  put_delivery({
    id = id, account = job.account, job_id = job.id, type = type, sequence = sequence, url = url,
    record = cjson.encode(job), request = redis.call('GET', key('request', job.account, job.id)),
    result = redis.call('GET', key('result', job.account, job.id)) or '',
  })
end

-- A delivery leaves one state's lists and enters another's; `at_ms` is its next try, or its end.
local function move_delivery(id, to, at_ms)
  local delivery = key('delivery', id)
  local known = redis.call('HMGET', delivery, 'account', 'created_ms', 'state')
  local account, created, from = known[1] or '', known[2] or ms(now), known[3] or 'waiting'
  redis.call('ZREM', deliveries_in(from), id)
  redis.call('ZREM', key('deliveries', account, from), id)
  redis.call('HSET', delivery, 'state', to, 'at_ms', at_ms)
  redis.call('HDEL', delivery, 'taken_until_ms')
  redis.call('ZADD', deliveries_in(to), at_ms, id)
  redis.call('ZADD', key('deliveries', account, to), created, id)
end

local function forget_delivery(id)
  local known = redis.call('HMGET', key('delivery', id), 'account', 'state')
  local state = known[2] or 'waiting'
  redis.call('ZREM', deliveries_in(state), id)
  redis.call('ZREM', key('deliveries', known[1] or '', state), id)
  redis.call('DEL', key('delivery', id), key('delivery_tries', id))
end

local function forget_beyond(index, count)
  local excess = math.min(redis.call('ZCARD', index) - count, FORGOTTEN_AT_ONCE)
  if excess > 0 then
    for _, id in ipairs(redis.call('ZRANGE', index, 0, excess - 1)) do forget_delivery(id) end
  end
end

-- What ended too long ago, or is too much.
local function forget_old_deliveries()
  for state, kept in pairs(KEPT_DELIVERIES) do
    local index = deliveries_in(state)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', ms(now - kept.ms), 'LIMIT', 0, FORGOTTEN_AT_ONCE)) do
      forget_delivery(id)
      redis.call('ZREM', index, id)
    end
    forget_beyond(index, kept.in_all)
  end
end

local function end_delivery(id, account, state)
  move_delivery(id, state, ms(now))
  forget_beyond(key('deliveries', account, state), KEPT_DELIVERIES[state].of_account)
end

-- How many events and copies a finished job had, for when its record is gone; kept for as long as a delivery may be.
local function note_told(job, ttl_ms)
  if not (job.webhook or job.copies) then return end
  local copies = job.copies and #cjson.decode(job.copies) or 0
  redis.call('SET', key('told', job.account, job.id), number(job.sequence) .. ' ' .. copies,
    'PX', ms(ttl_ms + KEPT_DELIVERIES.given_up.ms))
end

-- With a job goes what was told of it, prompt and all; what is still on its way goes with its end.
local function forget_deliveries_of(account, job_id, events, copies)
  redis.call('DEL', key('told', account, job_id))
  local ids = {}
  for sequence = 1, events do ids[#ids + 1] = 'evt_' .. string.sub(job_id, 5) .. '_' .. sequence end
  for place = 0, copies - 1 do ids[#ids + 1] = 'cpy_' .. string.sub(job_id, 5) .. '_' .. place end
  for _, id in ipairs(ids) do
    local state = redis.call('HGET', key('delivery', id), 'state')
    if state == 'waiting' then
      redis.call('HSET', key('delivery', id), 'is_deleted', 1)
    elseif state then
      forget_delivery(id)
    end
  end
end
