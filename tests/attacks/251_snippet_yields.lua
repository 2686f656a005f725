-- class: snippet
-- expect: DONE
-- match: ^1 2 3 4 ok$
-- note: a snippet that yields to its script, is left there, resumed by another, and never ended
--[==[ snippet steps
local n = coroutine.yield(args.v)
local r = echo.echo{n = "a", s = n}
coroutine.yield(n + 1)
return n + 2
]==]
local co = coroutine.create(function(t) return snippets.steps(t) end)
local _, a = coroutine.resume(co, {v = 1})
local _, b = coroutine.resume(co, a)
local again = coroutine.wrap(function() return coroutine.resume(co) end)
local _, c = again()
local out = {a, b, c, 4}
for i = 1, 50 do
	local left = coroutine.wrap(function() return snippets.steps{v = i} end)
	left() left(i)
end
local ok = pcall(coroutine.resume, co)
local r = pmap({1, 2}, function(i) return snippets.steps{v = i} end, {errors = "keep"})
if not tostring(r[1].error):find("not available in a branch", 1, true) then return "yielded" end
return table.concat(out, " ") .. " ok"
