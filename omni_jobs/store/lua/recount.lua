-- Compares the count of queued jobs with the lists. args: accounts, mend. Replies {counted, kept, 1 if mended}.
local counted = 0
for _, account in ipairs(args.accounts) do
  counted = counted + redis.call('ZCARD', key('status_jobs', account, 'queued'))
end
local kept = number(redis.call('GET', key('queued_count')))
local is_mended = args.mend and counted ~= kept
if is_mended then redis.call('SET', key('queued_count'), counted) end
return {counted, kept, is_mended and 1 or 0}
