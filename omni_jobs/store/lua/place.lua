-- Where a queued job stands. args: account, id. Replies {status, ready jobs served before it, held until (ms or 0),
-- 1 if it waits for an empty worker}. Before it: jobs of its account that precede it with aging counted evenly, and
-- as many of each other account, since accounts take turns.
local LEVEL_MS = 120000
local job = load_job(args.account, args.id)
if not job then return {'missing'} end
if job.status ~= 'queued' then return {job.status, 0, 0, 0} end
if number(job.not_before_ms) > now then return {'queued', 0, tonumber(job.not_before_ms), 0} end
if needs_to_be_alone(job) then
  return {'queued', redis.call('ZRANK', key('alone', job.model), ref_of(job)) or 0, 0, 1}
end
local before, own = 0, 0
local due = due_of(job)
for level = 0, LEVELS do
  local set = key('ready', job.account, level, job.model)
  local same = due + (level - number(job.priority)) * LEVEL_MS
  before = before + redis.call('ZCOUNT', set, '-inf', '(' .. ms(same))
  own = own + redis.call('ZCARD', set)
end
local others = math.max(0, redis.call('ZCARD', key('turns', job.model)) - 1)
local theirs = math.max(0, redis.call('ZCARD', key('waiting', job.model)) - own)
return {'queued', before + math.min(theirs, others * (before + 1)), 0, 0}
