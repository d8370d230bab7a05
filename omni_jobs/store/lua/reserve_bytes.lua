-- Counts bytes that an account is about to store. args: account, key_id, bytes, limits (defaults).
-- Replies {reserved}, or {quota, ...} if that is more than the day allows.
local owners = owners_of(args.account, args.key_id)
local reached = quota_reached(owners, 'bytes_per_day', 'bytes', args.bytes, args.limits)
if reached then return reached end
note_usage(owners, {bytes = args.bytes})
return {'reserved'}
