-- Notes of a running attempt: args: account, id, attempt, has_progress, has_preview, checkpoint (JSON pointer text or
-- absent), resumed (facts of a `job.resumed` event, or absent). ARGV[4] is the progress, ARGV[5] the preview; only the
-- latest is kept. Replies 1, or 0 if the attempt is not the current one and nothing was written.
local PROGRESS_TTL_MS = 3600000
local record = key('job', args.account, args.id)
local found = redis.call('HMGET', record, 'status', 'attempt', 'webhook', 'hooked_ms')
if found[1] ~= 'running' or tonumber(found[2]) ~= args.attempt then return 0 end

-- Told once for each output of an attempt, however often the note is sent.
if args.resumed then
  local job = load_job(args.account, args.id)
  local field = 'resumed_' .. args.resumed.output
  if number(job[field]) < args.attempt then
    job[field] = ms(args.attempt)
    local events = {{'job.resumed', args.resumed}}
    append_events(job, events)
    save(job)
    announce(job, events)
  end
end
if args.checkpoint then redis.call('HSET', record, 'checkpoint', args.checkpoint) end
if args.has_progress then
  redis.call('SET', key('progress', args.account, args.id), ARGV[4], 'PX', PROGRESS_TTL_MS)
end
if args.has_preview then
  redis.call('SET', key('preview', args.account, args.id), ARGV[5], 'PX', PROGRESS_TTL_MS)
end
if args.has_progress and found[3] and now - number(found[4]) >= PROGRESS_HOOK_MS then
  local hook = cjson.decode(found[3])
  if wants(hook, 'job.progress') and endpoint_takes(args.account, hook.url, 'job.progress') then
    redis.call('HSET', record, 'hooked_ms', ms(now))
    local job = load_job(args.account, args.id)
    job.progress = ARGV[4]
    add_delivery(job, hook.url, 'evt_' .. string.sub(job.id, 5) .. '_p' .. ms(now), 'job.progress', 0)
  end
end
if args.has_progress or args.has_preview then
  redis.call('PUBLISH', key('channel', args.account, args.id), 'progress')
end
return 1
