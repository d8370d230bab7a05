-- Removes a finished job's record and everything kept beside it. args: account, id.
-- Replies {missing}, {newer}, {busy, status} or {deleted}.
local job = load_job(args.account, args.id)
if not job then return {'missing'} end
if is_newer(job) then return {'newer'} end
if job.status == 'queued' or job.status == 'running' then return {'busy', job.status} end
redis.call('ZREM', key('account_jobs', job.account), job.id)
redis.call('ZREM', key('status_jobs', job.account, job.status), job.id)
redis.call('ZREM', key('expiring'), ref_of(job))
if job.idempotency then
  local place = key('idempotency', job.account, job.idempotency)
  local known = redis.call('GET', place)
  if known and string.match(known, '^(%S+) ') == job.id then redis.call('DEL', place) end
end
local request = cjson.decode(redis.call('GET', key('request', job.account, job.id)) or '{}')
forget_deliveries_of(job.account, job.id, number(job.sequence), #(request.copies or {}))
redis.call('DEL', key('job', job.account, job.id), key('events', job.account, job.id),
  key('request', job.account, job.id), key('result', job.account, job.id),
  key('progress', job.account, job.id), key('preview', job.account, job.id))
return {'deleted'}
