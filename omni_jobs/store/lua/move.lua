-- Moves a job. args: account, id, to, sources (allowed present statuses), attempt (the fencing token, or absent),
-- set (record fields, text), outputs (number of artifacts), device_seconds, not_before_ms, count_attempt, crashed,
-- reason. Replies {moved, record}, {missing}, {illegal, status}, {newer, version} or {superseded, status, attempt}.
local job = load_job(args.account, args.id)
if not job then return {'missing'} end
if is_newer(job) then return {'newer', job.v} end
local is_current = args.attempt and number(job.attempt) == args.attempt
-- The same move again, after an answer that was lost; a hand back may have ended the job instead.
local is_repeated = job.status == args.to and (is_current or (not args.attempt and args.to == 'canceled'))
local is_ended = is_current and args.to == 'queued' and job.status == 'failed'
if is_repeated or is_ended then return reply_with('moved', job) end
if args.attempt then
  if not is_current or job.status ~= 'running' then return {'superseded', job.status, number(job.attempt)} end
end
local is_allowed = false
for _, source in ipairs(args.sources) do
  if source == job.status then is_allowed = true end
end
if not is_allowed then return {'illegal', job.status} end

local was_running = job.status == 'running'
local charged = number(job.charged)
local output_bytes = 0
for _, artifact in ipairs(cjson.decode(args.set.artifacts or '[]')) do
  output_bytes = output_bytes + artifact.size_bytes
end
local error = args.set.error and cjson.decode(args.set.error)
-- Why one attempt failed is told by its event; the record keeps only the error that ended the job.
if args.to == 'queued' then args.set.error = nil end
for field, value in pairs(args.set) do job[field] = value end
if was_running and args.crashed then job.crashes = ms(number(job.crashes) + 1) end
if was_running and not args.count_attempt then job.spent = ms(math.max(0, number(job.spent) - 1)) end

if args.to == 'queued' then
  if args.not_before_ms then
    job.not_before_ms = ms(args.not_before_ms)
    job.ready_ms = ms(math.max(number(job.ready_ms), args.not_before_ms))
  end
  hand_back(job, args.reason, error)
elseif args.to == 'succeeded' then
  local outputs = {}
  for index = 0, args.outputs - 1 do
    outputs[#outputs + 1] = {'job.output', {attempt = number(job.attempt), index = index}}
  end
  transition(job, 'succeeded', {attempt = number(job.attempt)}, outputs)
else
  local data = {attempt = number(job.attempt)}
  if args.reason ~= '' then data.reason = args.reason end
  if error then data.code = error.code end
  transition(job, args.to, data)
end

if was_running then
  -- Nobody measured a job that its owner called off: it counts as guessed, or calling off would be free.
  local used = args.device_seconds or (args.to == 'canceled' and charged) or 0
  note_usage(owners_of(job.account, job.key), {outputs = args.outputs, bytes = output_bytes, device_seconds = used})
  if args.device_seconds then
    charge_job(job, args.device_seconds - charged)
  elseif not args.count_attempt then
    charge_job(job, -charged)
  end
  if args.to == 'canceled' then redis.call('PUBLISH', key('cancels'), ref_of(job)) end
end
return reply_with('moved', job)
