-- Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) in device seconds. A scope is a model, whose members
-- are accounts, or '' whose members are models. Who has ready jobs stands in `turns` by virtual time; who has none
-- and is ahead of the clock stands in `virtual`, so that leaving and coming back gains nothing.
local function virtual_clock(scope)
  return number(redis.call('HGET', key('virtual', scope), ''))
end

local function join_turns(scope, member)
  local turns, virtual = key('turns', scope), key('virtual', scope)
  if redis.call('ZSCORE', turns, member) then return end
  local ahead = number(redis.call('HGET', virtual, member))
  redis.call('ZADD', turns, math.max(ahead, virtual_clock(scope)), member)
  redis.call('HDEL', virtual, member)
end

local function leave_turns(scope, member)
  local turns, virtual = key('turns', scope), key('virtual', scope)
  local at = redis.call('ZSCORE', turns, member)
  if not at then return end
  redis.call('ZREM', turns, member)
  if tonumber(at) > virtual_clock(scope) then redis.call('HSET', virtual, member, at) end
end

local function charge(scope, member, seconds)
  if seconds == 0 then return end
  local turns, virtual = key('turns', scope), key('virtual', scope)
  if redis.call('ZSCORE', turns, member) then
    redis.call('ZINCRBY', turns, seconds, member)
    return
  end
  local clock = virtual_clock(scope)
  local at = math.max(number(redis.call('HGET', virtual, member)), clock) + seconds
  if at > clock then redis.call('HSET', virtual, member, at) else redis.call('HDEL', virtual, member) end
end

-- The clock follows the virtual time of whoever is served.
local function advance_clock(scope, member)
  local at = redis.call('ZSCORE', key('turns', scope), member)
  if at and tonumber(at) > virtual_clock(scope) then redis.call('HSET', key('virtual', scope), '', at) end
end

local function charge_job(job, seconds)
  charge(job.model, job.account, seconds)
  charge('', job.model, seconds)
end
