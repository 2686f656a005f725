-- class: branch
-- expect: DONE
-- match: ^late ok$
-- note: a branch that yielded was given up; the script resumes it, and it calls
local co
pcall(pmap, {1}, function() co = coroutine.running() coroutine.yield(1) return call("late", "").ok and "late ok" end)
local ok, v = coroutine.resume(co, "again")
return tostring(v)
