-- The ready set: per account, priority and model one sorted set by due time. Due is ten minutes after the job became
-- ready, or its deadline if that is sooner: deadlines and age order together.
local LEVELS = 9
local PATIENCE_MS = 600000
-- A suspect runs only in a worker that runs nothing but its company. One whose worker, of an earlier version, named no
-- company is a suspect after so many crashes.
local ALONE_AFTER_CRASHES = 2
-- Among suspects whoever crashed least goes first: innocents get out before the culprit is tried again.
local CRASH_MS = 86400000

local function due_of(job)
  local due = number(job.ready_ms) + PATIENCE_MS
  if job.deadline_ms then due = math.min(due, tonumber(job.deadline_ms)) end
  return due
end

local function ready_key(job)
  return key('ready', job.account, job.priority, job.model)
end

local function needs_to_be_alone(job)
  return job.company ~= nil or number(job.crashes) >= ALONE_AFTER_CRASHES
end

local function enter_ready(job)
  local ref = ref_of(job)
  if number(job.not_before_ms) > now then
    redis.call('ZADD', key('delayed'), job.not_before_ms, ref)
    return
  end
  redis.call('ZADD', key('waiting', job.model), job.ready_ms, ref)
  if needs_to_be_alone(job) then
    redis.call('ZADD', key('alone', job.model), due_of(job) + number(job.crashes) * CRASH_MS, ref)
    return
  end
  redis.call('ZADD', ready_key(job), due_of(job), job.id)
  join_turns(job.model, job.account)
  join_turns('', job.model)
end

local function has_ready(account, model)
  local keys = {}
  for level = 0, LEVELS do keys[level + 1] = key('ready', account, level, model) end
  return redis.call('EXISTS', unpack(keys)) > 0
end

local function leave_ready(job)
  local ref = ref_of(job)
  redis.call('ZREM', key('delayed'), ref)
  redis.call('ZREM', key('waiting', job.model), ref)
  redis.call('ZREM', key('alone', job.model), ref)
  if redis.call('ZREM', ready_key(job), job.id) == 0 then return end
  if not has_ready(job.account, job.model) then leave_turns(job.model, job.account) end
  if redis.call('EXISTS', key('turns', job.model)) == 0 then leave_turns('', job.model) end
end
