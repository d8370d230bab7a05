-- Keeps a new batch, to be worked on. args: account, id, created_ms, ttl_seconds, most; ARGV[4]: the record.
-- Replies {added}, or {full} if the account has as many open ones as it may.
local prefix, open = args.account .. '/', 0
for _, member in ipairs(redis.call('SMEMBERS', key('open_batches'))) do
  if string.sub(member, 1, #prefix) == prefix then open = open + 1 end
end
if open >= args.most then return {'full'} end
redis.call('SET', key('batch', args.account, args.id), ARGV[4], 'EX', args.ttl_seconds)
redis.call('ZADD', key('batches', args.account), args.created_ms, args.id)
redis.call('SADD', key('open_batches'), prefix .. args.id)
return {'added'}
