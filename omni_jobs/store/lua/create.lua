-- Writes a new job, queued. A repeated call with the same id, or the same idempotency key and fingerprint, gives the
-- job that is there. args: job (fields of the hash), request (JSON text), fingerprint, max_queued.
-- Replies {created|existing, record}, {mismatch, job id} or {full, number queued}.
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

local queued = number(redis.call('GET', key('queued_count')))
if args.max_queued and queued >= args.max_queued then return {'full', queued} end

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
return reply_with('created', job)
