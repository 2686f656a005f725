-- class: stack
-- expect: DONE
-- match: C stack overflow
-- note: resumes within resumes
local function nest(n) return coroutine.wrap(function() return nest(n + 1) end)() end
local ok, e = pcall(nest, 1)
return e:match("C stack overflow")
