-- What an account uses, and each of its keys, by day of UTC; and whether that is within its limits. An owner is an
-- account, or "account/key id". A limit of its own, kept as text, wins over the default; 'none' lifts the default,
-- which is for accounts alone.
local DAY_MS = 86400000
local USAGE_TTL_MS = 100 * DAY_MS

local function owners_of(account, key_id)
  if key_id then return {account, account .. '/' .. key_id} end
  return {account}
end

local function usage_key(owner)
  return key('usage', owner, ms(math.floor(now / DAY_MS)))
end

local function note_usage(owners, amounts)
  for _, owner in ipairs(owners) do
    local place = usage_key(owner)
    for field, amount in pairs(amounts) do
      if amount ~= 0 then redis.call('HINCRBYFLOAT', place, field, tostring(amount)) end
    end
    redis.call('PEXPIRE', place, ms(USAGE_TTL_MS))
  end
end

local function limit_of(owner, name, defaults)
  local own = redis.call('HGET', key('limits', owner), name)
  if own then return tonumber(own) end
  if not string.find(owner, '/', 1, true) then return defaults[name] end
end

-- The first daily limit that these owners have reached, as the reply of a script, or nil. `more` is what comes on top.
local function quota_reached(owners, name, field, more, defaults)
  for _, owner in ipairs(owners) do
    local limit = limit_of(owner, name, defaults)
    if limit then
      local used = number(redis.call('HGET', usage_key(owner), field))
      if used >= limit or used + more > limit then
        return {'quota', owner, name, tostring(used), tostring(limit), ms(DAY_MS - now % DAY_MS)}
      end
    end
  end
end
