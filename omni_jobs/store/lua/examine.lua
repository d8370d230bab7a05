-- Looks at one job, all its keys and every index that should or should not name it, as one atomic unit; mends what
-- is safe when asked. args: account, id, mend, models (where a job without a record may wait). Replies {missing} or {examined, version newer than ours (0 or 1),
-- findings} with a finding as {code, what was found, 1 if it was mended}. Never changes a status or an event.
local FINAL = {succeeded = true, failed = true, canceled = true, expired = true}
local STATUSES = {'queued', 'running', 'succeeded', 'failed', 'canceled', 'expired'}

local findings = {}
-- `mend` is the safe remedy; without one a person has to look.
local function find(code, text, mend)
  local is_mended = args.mend and mend ~= nil
  if is_mended then mend() end
  findings[#findings + 1] = {code, text, is_mended and 1 or 0}
end

local function is_in(index, member)
  return redis.call('ZSCORE', index, member) ~= false
end

local function keep_out(index, member, name, status)
  if is_in(index, member) then
    find('index_stale', 'stands in ' .. name .. ' though it is ' .. status,
      function() redis.call('ZREM', index, member) end)
  end
end

local function bury_ready(account, id, model)
  for level = 0, LEVELS do leave_ready({account = account, id = id, model = model, priority = level}) end
end

local function bury(account, id)
  local ref = account .. '/' .. id
  for _, name in ipairs({'leases', 'delayed', 'deadlines', 'expiring'}) do
    if is_in(key(name), ref) then
      find('record_missing', 'stands in ' .. name .. ' and has no record',
        function() redis.call('ZREM', key(name), ref) end)
    end
  end
  for _, status in ipairs(STATUSES) do
    local index = key('status_jobs', account, status)
    if is_in(index, id) then
      find('record_missing', 'is listed as ' .. status .. ' and has no record',
        function() redis.call('ZREM', index, id) end)
    end
  end
  for _, model in ipairs(args.models) do
    for _, name in ipairs({'waiting', 'alone'}) do
      if is_in(key(name, model), ref) then
        find('record_missing', 'waits for ' .. model .. ' and has no record',
          function() bury_ready(account, id, model) end)
      end
    end
  end
  if is_in(key('account_jobs', account), id) then
    find('record_missing', 'is listed and has no record',
      function() redis.call('ZREM', key('account_jobs', account), id) end)
  end
  for _, name in ipairs({'request', 'events', 'result', 'progress', 'preview'}) do
    if redis.call('EXISTS', key(name, account, id)) == 1 then
      find('record_missing', 'its ' .. name .. ' is kept without a record',
        function() redis.call('DEL', key(name, account, id)) end)
    end
  end
end

local function check_lists(job)
  if not is_in(key('account_jobs', job.account), job.id) then
    find('not_listed', 'is not listed among the jobs of its account',
      function() redis.call('ZADD', key('account_jobs', job.account), job.created_ms, job.id) end)
  end
  for _, status in ipairs(STATUSES) do
    local index = key('status_jobs', job.account, status)
    if status ~= job.status then keep_out(index, job.id, 'the list of ' .. status .. ' jobs', job.status) end
    if status == job.status and not is_in(index, job.id) then
      find('not_listed', 'is not listed among the ' .. status .. ' jobs',
        function() redis.call('ZADD', index, job.created_ms, job.id) end)
    end
  end
end

local function check_events(job)
  local lines = redis.call('LLEN', key('events', job.account, job.id))
  if lines ~= number(job.sequence) then
    find('events_incomplete', lines .. ' events are kept, the record counts ' .. number(job.sequence))
  end
  local last = redis.call('LINDEX', key('events', job.account, job.id), -1)
  local type = last and string.match(last, '^%d+ (%S+)')
  if type ~= EVENT_OF[job.status] then
    find('events_incomplete', 'is ' .. job.status .. ', and its last event is ' .. (type or 'none'))
  end
  if redis.call('EXISTS', key('request', job.account, job.id)) == 0 then
    find('request_missing', 'what was asked is not kept')
  end
end

local function check_queued(job, ref)
  local is_ready = is_in(ready_key(job), job.id) or is_in(key('alone', job.model), ref)
  local is_waiting = is_in(key('waiting', job.model), ref)
  local has_turn = needs_to_be_alone(job) or
    (is_in(key('turns', job.model), job.account) and is_in(key('turns', ''), job.model))
  if not is_in(key('delayed'), ref) and not (is_ready and is_waiting and has_turn) then
    find('not_ready', 'is queued, and no worker could find it', function()
      leave_ready(job)
      enter_ready(job)
    end)
  end
  keep_out(key('leases'), ref, 'the leases', 'queued')
end

local function check_not_queued(job, ref)
  keep_out(key('delayed'), ref, 'the held jobs', job.status)
  keep_out(key('waiting', job.model), ref, 'the waiting jobs', job.status)
  keep_out(key('alone', job.model), ref, 'the jobs that run alone', job.status)
  if job.priority then keep_out(ready_key(job), job.id, 'the ready set', job.status) end
end

local function check_running(job, ref)
  if not is_in(key('leases'), ref) then
    find('no_lease', 'is running without a lease: nobody would take it over',
      function() redis.call('ZADD', key('leases'), ms(now), ref) end)
  end
end

local function check_final(job, ref)
  keep_out(key('leases'), ref, 'the leases', job.status)
  keep_out(key('deadlines'), ref, 'the deadlines', job.status)
  if not job.finished_ms then return find('record_broken', 'is ' .. job.status .. ' without an end in time') end
  local ends = number(job.finished_ms) + number(job.ttl_seconds) * 1000
  if not is_in(key('expiring'), ref) or redis.call('PTTL', key('job', job.account, job.id)) < 0 then
    find('kept_for_ever', 'has ended and would never be forgotten', function()
      redis.call('ZADD', key('expiring'), ms(ends), ref)
      for _, name in ipairs({'job', 'request', 'events', 'result'}) do
        redis.call('PEXPIREAT', key(name, job.account, job.id), ms(math.max(ends, now + 1000)))
      end
    end)
  end
end

local job = load_job(args.account, args.id)
if not job then
  bury(args.account, args.id)
  return {'missing', 0, findings}
end
if is_newer(job) then return {'examined', 1, findings} end
local ref = ref_of(job)
check_lists(job)
check_events(job)
if job.status == 'queued' then check_queued(job, ref) else check_not_queued(job, ref) end
if job.status == 'running' then check_running(job, ref) end
if FINAL[job.status] then
  check_final(job, ref)
elseif job.deadline_ms and not is_in(key('deadlines'), ref) then
  find('no_deadline', 'has a deadline that nobody watches',
    function() redis.call('ZADD', key('deadlines'), job.deadline_ms, ref) end)
end
return {'examined', 0, findings}
