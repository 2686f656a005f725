-- class: cve
-- expect: DONE
-- match: ^1000$
-- note: upstream: traceback does not look for room on the stack of another thread
local co = coroutine.create(function() local function f(n) if n == 0 then coroutine.yield() end return 1 + f(n - 1) end f(190) end)
coroutine.resume(co)
local t = {} for i = 1, 200000 do t[i] = i end
return (function(...) return #debug.traceback(co, ("m"):rep(1000), 0) end)(table.unpack(t))
