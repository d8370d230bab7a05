-- Prolongs leases. args: worker, lease_ms, jobs (lists of account, id, attempt). Replies the refs that are no longer
-- the worker's: superseded, canceled, or gone.
local lost = {}
for _, held in ipairs(args.jobs) do
  local account, id, attempt = held[1], held[2], held[3]
  local found = redis.call('HMGET', key('job', account, id), 'status', 'attempt', 'worker')
  local ref = account .. '/' .. id
  if found[1] == 'running' and tonumber(found[2]) == attempt and found[3] == args.worker then
    redis.call('ZADD', key('leases'), ms(now + args.lease_ms), ref)
  else
    lost[#lost + 1] = ref
  end
end
return lost
