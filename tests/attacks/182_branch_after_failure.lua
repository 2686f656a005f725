-- class: branch
-- expect: DONE
-- match: ^ok$
-- note: closures and threads of branches kept after one of them failed; another pmap at once
local kept = {}
pcall(pmap, {1, 2, 3, 4, 5, 6, 7, 8, 9}, function(v)
	kept[#kept + 1] = coroutine.running()
	if v == 5 then error("stop") end
	call("a", v)
	kept[#kept + 1] = function() return call("after", v) end
end)
for _, k in ipairs(kept) do if type(k) == "thread" then coroutine.resume(k) else k() end end
return #pmap({1, 2}, function(v) return call("b", v) end) == 2 and "ok"
