-- Loaded before every script. ARGV[1] is the key prefix, ARGV[2] a fixed clock in milliseconds (tests only, else ''),
-- ARGV[3] the named arguments as JSON, further ARGV are raw bytes. PATTERNS comes from `omni_jobs/names.py`.
-- Scripts check everything before their first write: Redis does not roll back.
local args = cjson.decode(ARGV[3])
local RECORD_VERSION = 1
local FEED_LENGTH = 10000
local PROGRESS_HOOK_MS = 500

local function key(name, ...)
  return ARGV[1] .. ':' .. string.format(PATTERNS[name], ...)
end

-- Milliseconds as text: Lua's own conversion keeps 14 digits, and a fraction has no place in a record.
local function ms(value)
  return string.format('%.0f', value)
end

local function read_clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = read_clock()

local function load_job(account, id)
  local flat = redis.call('HGETALL', key('job', account, id))
  if #flat == 0 then return nil end
  local job = {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return job
end

local function ref_of(job)
  return job.account .. '/' .. job.id
end

local function split_ref(ref)
  local slash = string.find(ref, '/', 1, true)
  return string.sub(ref, 1, slash - 1), string.sub(ref, slash + 1)
end

local function number(value)
  return tonumber(value or 0)
end

local function is_newer(job)
  return number(job.v) > RECORD_VERSION
end

-- The whole record as the reply of a script: the hash as a flat list, the request, the result.
local function reply_with(word, job)
  return {
    word, redis.call('HGETALL', key('job', job.account, job.id)),
    redis.call('GET', key('request', job.account, job.id)), redis.call('GET', key('result', job.account, job.id)),
  }
end
