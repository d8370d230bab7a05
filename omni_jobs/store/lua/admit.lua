-- Whose key this is. args: id, digest. Notes the use, at most once a minute. Replies {unknown}, {revoked} or
-- {admitted, account, scopes}. Digests of random secrets need no comparison in constant time.
local NOTED_MS = 60000
local place = key('api_key', args.id)
local known = redis.call('HMGET', place, 'digest', 'account', 'scopes', 'revoked_ms', 'used_ms')
if known[1] ~= args.digest then return {'unknown'} end
if known[4] then return {'revoked'} end
if now - number(known[5]) >= NOTED_MS then redis.call('HSET', place, 'used_ms', ms(now)) end
return {'admitted', known[2], known[3]}
