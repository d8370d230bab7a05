-- Leases the best ready job to a worker. args: worker, models, lease_ms, min_priority, shapes, alone, company, nonce.
-- Order: the model, then the account, with the least virtual time; in the account the level of highest priority, one
-- more for every two minutes towards the due time; in the level the job due first, or one of a wanted shape that is
-- due within five seconds of it. With a company only a suspect of that company is taken. Replies {claim, record} or {none}.
local LEVEL_MS = 120000
local CLOSE_MS = 5000
local PEERS = 8
local SUSPECTS = 64
local ACCOUNTS = 32
local CLAIMED_TTL_MS = 30000
local BURIALS = 16

-- The answer was lost. Since then the lease may have ended and another slot of the worker may hold the next attempt.
local again = redis.call('GET', key('claimed', args.nonce))
if again then
  local ref, attempt = string.match(again, '^(%S+) (%d+)$')
  local job = ref and load_job(split_ref(ref))
  local is_current = job and job.status == 'running' and job.worker == args.worker and job.attempt == attempt
  return is_current and reply_with('claim', job) or {'none'}
end

local wanted_shape = {}
for _, shape in ipairs(args.shapes) do wanted_shape[shape] = true end

local function by_virtual_time(models)
  local order = {}
  for _, model in ipairs(models) do
    local at = redis.call('ZSCORE', key('turns', ''), model)
    if at then order[#order + 1] = {model = model, at = tonumber(at)} end
  end
  table.sort(order, function(a, b) return a.at < b.at or (a.at == b.at and a.model < b.model) end)
  return order
end

-- Levels that have a job, best first.
local function levels_of(account, model)
  local levels = {}
  for level = args.min_priority, LEVELS do
    local head = redis.call('ZRANGE', key('ready', account, level, model), 0, 0, 'WITHSCORES')
    if head[1] then
      local due = tonumber(head[2])
      local gained = math.max(0, math.floor((now + PATIENCE_MS - due) / LEVEL_MS))
      levels[#levels + 1] = {level = level, due = due, rank = level + gained}
    end
  end
  table.sort(levels, function(a, b)
    if a.rank ~= b.rank then return a.rank > b.rank end
    if a.due ~= b.due then return a.due < b.due end
    return a.level > b.level
  end)
  return levels
end

-- The job to take from one level: records of a later version are passed over.
local function pick(account, model, head)
  local peers = redis.call('ZRANGEBYSCORE', key('ready', account, head.level, model), '-inf', '+inf',
    'WITHSCORES', 'LIMIT', 0, PEERS)
  local first = nil
  for i = 1, #peers, 2 do
    local job = load_job(account, peers[i])
    if not job then return {id = peers[i], account = account, priority = head.level, model = model} end
    if not is_newer(job) then
      if wanted_shape[job.shape] and tonumber(peers[i + 1]) <= head.due + CLOSE_MS then return job end
      first = first or job
      if #args.shapes == 0 then return first end
    end
  end
  return first
end

local function best_of_model(model)
  local accounts = redis.call('ZRANGE', key('turns', model), 0, ACCOUNTS - 1)
  for _, account in ipairs(accounts) do
    for _, head in ipairs(levels_of(account, model)) do
      local job = pick(account, model, head)
      if job then return job end
    end
  end
end

local function best_suspect()
  for _, model in ipairs(args.models) do
    for _, ref in ipairs(redis.call('ZRANGE', key('alone', model), 0, SUSPECTS - 1)) do
      local account, id = split_ref(ref)
      local job = load_job(account, id)
      if not job then
        redis.call('ZREM', key('alone', model), ref)
      elseif not is_newer(job) and (not args.company or job.company == args.company) then
        return job
      end
    end
  end
end

local function best()
  local suspect = args.alone and best_suspect()
  if suspect or args.company then return suspect end
  for _, entry in ipairs(by_virtual_time(args.models)) do
    local job = best_of_model(entry.model)
    if job then return job end
  end
end

local function lease(job)
  local cost = number(job.cost_seconds)
  advance_clock(job.model, job.account)
  advance_clock('', job.model)
  charge_job(job, cost)
  job.charged = tostring(cost)
  job.attempt = ms(number(job.attempt) + 1)
  job.spent = ms(number(job.spent) + 1)
  job.worker = args.worker
  job.started_ms = job.started_ms or ms(now)
  transition(job, 'running', {attempt = number(job.attempt), worker = args.worker}, nil, args.lease_ms)
  redis.call('HDEL', key('rung'), job.model)
  redis.call('SET', key('claimed', args.nonce), ref_of(job) .. ' ' .. job.attempt, 'PX', CLAIMED_TTL_MS)
end

promote_due(PEERS)
for _ = 1, BURIALS do
  local job = best()
  if not job then return {'none'} end
  if job.status ~= 'queued' then
    leave_ready(job)
  elseif job.deadline_ms and tonumber(job.deadline_ms) <= now then
    pass_deadline(job)
  else
    lease(job)
    return reply_with('claim', job)
  end
end
return {'none'}
