-- class: snippet
-- expect: DONE
-- match: ^80 false false ok$
-- note: snippets as branches, in branches, and branches in snippets in branches; errors and answers find their own
--[==[ snippet one
local n = 0
for i = 1, 2 do echo.echo{n = "a", s = i} n = n + args.v end
if args.v == 9 then error("nine") end
return n
]==]
--[==[ snippet fan
return sum(pmap({1, 2, 3, 4}, function(i) return snippets.one{v = i} end))
]==]
local total = 0
for i = 1, 4 do total = total + snippets.fan{} end
local nested = pcall(function() return pmap({1}, function() return snippets.fan{} end) end)
local fails = pcall(function() return pmap({1, 9, 2}, function(v) return snippets.one{v = v} end) end)
local direct = parallel({function() return snippets.one{v = 1} end, snippets.one}, {errors = "keep"})
local still = snippets.one{v = 1}
return string.format("%d %s %s %s", total, nested, fails, direct[1] == 2 and direct[2].error ~= nil and still == 2 and "ok" or "bad")
