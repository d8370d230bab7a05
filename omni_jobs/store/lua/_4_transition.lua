-- The one place where a job's status changes. Callers have checked that the move is allowed.
local EVENT_OF = {
  queued = 'job.queued', running = 'job.started', succeeded = 'job.succeeded',
  failed = 'job.failed', canceled = 'job.canceled', expired = 'job.expired',
}

-- What the hash of a finished job keeps. Every value is short, so that servers store it as one compact block; a
-- long one would cost 90 bytes for each field.
local KEPT = {
  'v', 'id', 'account', 'model', 'status', 'seed', 'attempt', 'max_attempts', 'worker', 'created_ms', 'started_ms',
  'finished_ms', 'sequence', 'ttl_seconds', 'retry_of', 'idempotency',
}
-- What a result is made of; each is JSON text.
local RESULT_PARTS = {'artifacts', 'enhancement', 'error', 'sharing', 'timings'}

-- Appends durable events; `sequence` in the record follows. Each event is {type, data}.
local function append_events(job, events)
  for _, event in ipairs(events) do
    local line = ms(now) .. ' ' .. event[1] .. ' ' .. cjson.encode(event[2])
    event.sequence = redis.call('RPUSH', key('events', job.account, job.id), line)
    redis.call('XADD', key('feed', job.account), 'MAXLEN', '~', FEED_LENGTH, '*', 'j', job.id, 's', event.sequence)
    job.sequence = tostring(event.sequence)
  end
end

-- Copies of the outputs to their customer's own links; the courier reads from the request how.
local function add_copies(job)
  for place, url in ipairs(cjson.decode(job.copies)) do
    add_delivery(job, url, 'cpy_' .. string.sub(job.id, 5) .. '_' .. (place - 1), 'output.copy', place - 1)
  end
end

local function announce(job, events)
  if job.webhook then
    local hook = cjson.decode(job.webhook)
    for _, event in ipairs(events) do
      local id = 'evt_' .. string.sub(job.id, 5) .. '_' .. event.sequence
      if wants(hook, event[1]) and endpoint_takes(job.account, hook.url, event[1]) then
        add_delivery(job, hook.url, id, event[1], event.sequence)
      end
    end
  end
  if job.copies and job.status == 'succeeded' then add_copies(job) end
  redis.call('PUBLISH', key('channel', job.account, job.id), job.sequence)
end

local function save(job)
  local flat = {}
  for field, value in pairs(job) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value
  end
  redis.call('HSET', key('job', job.account, job.id), unpack(flat))
end

-- Written anew, because a hash that once was large stays large.
local function save_finished(job)
  local flat = {}
  for _, field in ipairs(KEPT) do
    if job[field] then
      flat[#flat + 1] = field
      flat[#flat + 1] = job[field]
    end
  end
  redis.call('DEL', key('job', job.account, job.id))
  redis.call('HSET', key('job', job.account, job.id), unpack(flat))
end

local function save_result(job, ttl_ms)
  local parts = {}
  for _, name in ipairs(RESULT_PARTS) do
    if job[name] then parts[#parts + 1] = '"' .. name .. '":' .. job[name] end
    job[name] = nil
  end
  if #parts > 0 then
    redis.call('SET', key('result', job.account, job.id), '{' .. table.concat(parts, ',') .. '}', 'PX', ms(ttl_ms))
  end
end

local function finish(job)
  local ttl_ms = number(job.ttl_seconds) * 1000
  local ref = ref_of(job)
  job.finished_ms = ms(now)
  note_usage(owners_of(job.account, job.key), {[job.status] = 1})
  save_result(job, ttl_ms)
  save_finished(job)
  note_told(job, ttl_ms)
  redis.call('ZREM', key('deadlines'), ref)
  redis.call('ZADD', key('expiring'), ms(now + ttl_ms), ref)
  redis.call('DEL', key('progress', job.account, job.id), key('preview', job.account, job.id))
  for _, name in ipairs({'job', 'request', 'events'}) do
    redis.call('PEXPIRE', key(name, job.account, job.id), ms(ttl_ms))
  end
  if job.idempotency then redis.call('PEXPIRE', key('idempotency', job.account, job.idempotency), ms(ttl_ms)) end
end

local function leave_status(job)
  if not job.status then return end
  redis.call('ZREM', key('status_jobs', job.account, job.status), job.id)
  if job.status == 'queued' then
    leave_ready(job)
    redis.call('DECR', key('queued_count'))
  elseif job.status == 'running' then
    redis.call('ZREM', key('leases'), ref_of(job))
  end
end

local function enter_status(job, lease_ms)
  redis.call('ZADD', key('status_jobs', job.account, job.status), job.created_ms, job.id)
  if job.status == 'queued' then
    enter_ready(job)
    redis.call('INCR', key('queued_count'))
  elseif job.status == 'running' then
    redis.call('ZADD', key('leases'), ms(now + lease_ms), ref_of(job))
  end
end

-- Moves `job` (a table as from load_job, already changed by the caller) to a status and writes everything that
-- belongs to the move: record, indexes, events, outbox, wake-up. `data` goes into the event; `before` are events
-- that precede it; `lease_ms` is for 'running'.
local function transition(job, to, data, before, lease_ms)
  local events = before or {}
  events[#events + 1] = {EVENT_OF[to], data}
  leave_status(job)
  job.status = to
  local is_final = to ~= 'queued' and to ~= 'running'
  append_events(job, events)
  enter_status(job, lease_ms)
  if is_final then finish(job) else save(job) end
  announce(job, events)
end

local function fail(job, error)
  error.attempt = number(job.attempt)
  error.max_attempts = number(job.max_attempts)
  error.worker = job.worker
  job.error = cjson.encode(error)
  transition(job, 'failed', {code = error.code, attempt = error.attempt})
end

-- A queued job whose deadline has passed ends: expired if it never began, else failed.
local function pass_deadline(job)
  if job.started_ms then
    fail(job, {
      code = 'deadline_exceeded', retryable = false, message = 'The deadline passed before the job was done.',
      remedy = 'Set a later `deadline`, or ask for fewer steps.',
    })
  else
    transition(job, 'expired', {deadline_ms = ms(number(job.deadline_ms))})
  end
end

-- Puts a running job back, or fails it when no attempt is left. `error` (a table) says what went wrong.
local function hand_back(job, reason, error)
  if number(job.spent) < number(job.max_attempts) then
    local data = {attempt = number(job.attempt), reason = reason, code = error and error.code}
    if number(job.not_before_ms) > now then data.not_before_ms = number(job.not_before_ms) end
    transition(job, 'queued', data)
    return
  end
  local last = error and error.message or reason
  fail(job, {
    code = number(job.crashes) >= ALONE_AFTER_CRASHES and 'poisoned' or 'attempts_exhausted', retryable = false,
    message = 'All ' .. job.max_attempts .. ' attempts ended without a result; the last one: ' .. last,
    remedy = 'Change the request, or look at the worker\'s log, before submitting it again.',
  })
end

-- Held jobs whose time has come become ready; at most `limit`. Returns their records.
local function promote_due(limit)
  local promoted = {}
  for _, ref in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', ms(now), 'LIMIT', 0, limit)) do
    local job = load_job(split_ref(ref))
    redis.call('ZREM', key('delayed'), ref)
    if job and job.status == 'queued' then
      enter_ready(job)
      promoted[#promoted + 1] = job
    end
  end
  return promoted
end
