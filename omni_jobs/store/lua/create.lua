-- Writes a new job, queued. A repeated call with the same id, or the same idempotency key and fingerprint, gives the
-- job that is there. args: job (fields of the hash), request (JSON text), fingerprint, max_queued, limits (defaults).
-- Replies {created|existing, record}, {mismatch, job id}, {full, number queued}, {queued, number, limit} of the account,
-- {quota, ...} or {paused, since}.
local job = args.job
local there = load_job(job.account, job.id)
if there then return reply_with('existing', there) end

if job.idempotency then
  local known = redis.call('GET', key('idempotency', job.account, job.idempotency))
  if known then
    local id, fingerprint = string.match(known, '^(%S+) (%S+)$')
    local first = load_job(job.account, id)
    if first and fingerprint ~= args.fingerprint then return {'mismatch', id} end
    if first then return reply_with('existing', first) end
  end
end

local paused = redis.call('GET', key('paused'))
if paused then return {'paused', paused} end

local queued = number(redis.call('GET', key('queued_count')))
if args.max_queued and queued >= args.max_queued then return {'full', queued} end
local limits = args.limits or {}
local own_limit = limit_of(job.account, 'queued_jobs', limits)
local own_queued = redis.call('ZCARD', key('status_jobs', job.account, 'queued'))
if own_limit and own_queued >= own_limit then return {'queued', own_queued, ms(own_limit)} end
local owners = owners_of(job.account, job.key)
local reached = quota_reached(owners, 'device_seconds_per_day', 'device_seconds', 0, limits)
  or quota_reached(owners, 'bytes_per_day', 'bytes', 0, limits)
if reached then return reached end

local ref = ref_of(job)
job.created_ms = ms(now)
job.ready_ms = ms(math.max(now, number(job.not_before_ms)))
redis.call('SET', key('request', job.account, job.id), args.request)
redis.call('ZADD', key('account_jobs', job.account), job.created_ms, job.id)
if job.deadline_ms then redis.call('ZADD', key('deadlines'), job.deadline_ms, ref) end
if job.idempotency then
  redis.call('SET', key('idempotency', job.account, job.idempotency), job.id .. ' ' .. args.fingerprint)
end
local data = {}
if job.retry_of then data.retry_of = job.retry_of end
transition(job, 'queued', data)
note_usage(owners, {jobs = 1})
return reply_with('created', job)
