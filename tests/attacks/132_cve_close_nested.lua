-- class: cve
-- expect: RUNTIME
-- match: __close' is not available
-- raw: CRASH
-- note: upstream 1e64c139: coroutine.close within __close within coroutine.close counts no C levels
local co
for i = 1, 12000 do
	local previous = co
	co = coroutine.create(function()
		local c <close> = setmetatable({}, {__close = function()
			if previous then string.gsub("x", "x", function() coroutine.close(previous) end) end
		end})
		coroutine.yield()
	end)
	assert(coroutine.resume(co))
end
return coroutine.close(co)
