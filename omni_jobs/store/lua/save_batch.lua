-- Writes a batch's record for whoever holds its lock. args: account, id, holder, is_final, ttl_seconds; ARGV[4]: the
-- record. Replies {saved}, or {superseded} if the lock is not this holder's.
if redis.call('GET', key('batch_lock', args.account, args.id)) ~= args.holder then return {'superseded'} end
redis.call('SET', key('batch', args.account, args.id), ARGV[4], 'EX', args.ttl_seconds)
if args.is_final then redis.call('SREM', key('open_batches'), args.account .. '/' .. args.id) end
return {'saved'}
