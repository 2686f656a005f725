-- class: branch
-- expect: DONE
-- match: yield
-- note: a branch yields and calls from __tostring inside string.format
local o = setmetatable({}, {__tostring = function() call("x", "") coroutine.yield() return "x" end})
local r = pmap({1}, function() return ("%s"):format(o) end, {errors = "keep"})
return tostring(r[1].error)
