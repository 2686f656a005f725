-- class: branch
-- expect: DONE
-- match: ^(table|string|boolean)
-- note: a branch resumes its sibling, which waits for an answer that is not its own
local siblings = {}
local r = pmap({1, 2, 3, 4}, function(v)
	siblings[v] = coroutine.running()
	if v == 4 then for i = 1, 3 do coroutine.resume(siblings[i], "forged") end end
	return call("a", v)
end, {errors = "keep"})
for i = 1, 4 do coroutine.resume(siblings[i], "forged again") end
return type(r[4])
