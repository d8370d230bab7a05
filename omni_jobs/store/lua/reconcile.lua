-- One sweep: what no caller will do. args: me, leader_ms, limit, gap_ms, grace_ms, ring_after_ms, rooms (free slots by
-- model). Replies {follower} or {leader, released, failed, expired, promoted, cleaned, in grace, refs to ring} where
-- each ref to ring is {account, id, model}.
local LATE_MS = 5000
local BACKOFF_CAP_MS = 60000

local leader = redis.call('GET', key('leader'))
if leader and leader ~= args.me then return {'follower'} end
redis.call('SET', key('leader'), args.me, 'PX', ms(args.leader_ms))

local rings = {}
local function ring(job)
  rings[#rings + 1] = {job.account, job.id, job.model}
end

-- After a gap between sweeps the server may have been frozen: the owners could not renew, so they get time to. Not
-- more often than every fourth grace, or slow sweeps would hold up takeovers for ever.
local function in_grace()
  local sweep = redis.call('HMGET', key('sweep'), 'at', 'grace_from')
  local at, from = number(sweep[1]), number(sweep[2])
  redis.call('HSET', key('sweep'), 'at', ms(now))
  if at > 0 and now - at > args.gap_ms and now - from > 4 * args.grace_ms then
    redis.call('HSET', key('sweep'), 'grace_from', ms(now))
    from = now
  end
  return from > 0 and now - from < args.grace_ms
end

local function due(name, late_ms)
  return redis.call('ZRANGEBYSCORE', key(name), '-inf', ms(now - late_ms), 'LIMIT', 0, args.limit)
end

local function pass_deadlines()
  local count = 0
  for _, ref in ipairs(due('deadlines', 0)) do
    local job = load_job(split_ref(ref))
    if not job then
      redis.call('ZREM', key('deadlines'), ref)
    elseif not is_newer(job) then
      -- A running job is ended by its worker; this is for workers that do not.
      local is_late = job.status == 'running' and tonumber(job.deadline_ms) + LATE_MS <= now
      if job.status == 'queued' or is_late then
        if is_late then redis.call('PUBLISH', key('cancels'), ref) end
        pass_deadline(job)
        count = count + 1
      end
    end
  end
  return count
end

local function release_leases()
  local released, failed = 0, 0
  for _, ref in ipairs(due('leases', 0)) do
    local job = load_job(split_ref(ref))
    if not job or job.status ~= 'running' then
      redis.call('ZREM', key('leases'), ref)
    elseif not is_newer(job) then
      hand_back(job, 'lease lost', {message = 'worker ' .. job.worker .. ' stopped renewing its lease.'})
      if job.status == 'queued' then
        released = released + 1
        ring(job)
      else
        failed = failed + 1
      end
    end
  end
  return released, failed
end

local function clean_expired()
  local count = 0
  for _, ref in ipairs(due('expiring', 0)) do
    local account, id = split_ref(ref)
    redis.call('ZREM', key('account_jobs', account), id)
    for _, status in ipairs({'succeeded', 'failed', 'canceled', 'expired'}) do
      redis.call('ZREM', key('status_jobs', account, status), id)
    end
    -- The server may have dropped the record already.
    local told = redis.call('GET', key('told', account, id))
    if told then
      local events, copies = string.match(told, '^(%d+) (%d+)$')
      forget_deliveries_of(account, id, tonumber(events), tonumber(copies))
    end
    redis.call('DEL', key('job', account, id), key('events', account, id), key('request', account, id),
      key('result', account, id))
    redis.call('ZREM', key('expiring'), ref)
    count = count + 1
  end
  return count
end

-- Doorbells may be lost. Where slots are free and a job waits all the same, ring again, ever more rarely.
local function ring_again()
  for model, room in pairs(args.rooms) do
    local oldest = redis.call('ZRANGE', key('waiting', model), 0, 0, 'WITHSCORES')
    local next_ms, delay = string.match(redis.call('HGET', key('rung'), model) or '0 0', '^(%d+) (%d+)$')
    if oldest[1] and now - tonumber(oldest[2]) >= args.ring_after_ms and now >= tonumber(next_ms) then
      local pause = math.min(math.max(2 * tonumber(delay), args.ring_after_ms), BACKOFF_CAP_MS)
      redis.call('HSET', key('rung'), model, ms(now + pause) .. ' ' .. ms(pause))
      local count = math.min(room, args.limit)
      for _, ref in ipairs(redis.call('ZRANGE', key('waiting', model), 0, count - 1)) do
        local account, id = split_ref(ref)
        ring({account = account, id = id, model = model})
      end
    end
  end
end

local grace = in_grace()
local expired = pass_deadlines()
local released, failed = 0, 0
if not grace then released, failed = release_leases() end
local promoted = promote_due(args.limit)
for _, job in ipairs(promoted) do ring(job) end
local cleaned = clean_expired()
ring_again()
return {'leader', released, failed, expired, #promoted, cleaned, grace and 1 or 0, rings}
