-- class: coroutine
-- expect: DONE
-- match: ^non-suspended
-- note: a coroutine resumes the one that waits for it, and itself, with a million arguments
local main = coroutine.running()
local t = {} for i = 1, 1000 do t[i] = i end
local co = coroutine.wrap(function()
	local ok1, e1 = coroutine.resume(main, table.unpack(t))
	local ok2, e2 = coroutine.resume(coroutine.running(), table.unpack(t))
	assert(not ok1 and not ok2)
	return e1:match("non%-suspended") .. #e2
end)
return co()
