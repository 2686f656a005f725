-- class: branch
-- expect: DONE
-- match: nested
-- note: pmap within pmap, within a coroutine within a branch, from a comparator
local r = pmap({1}, function()
	local ok, e = pcall(coroutine.wrap(function() return pmap({1}, function() return 1 end) end))
	return tostring(e)
end)
local ok, e = pcall(table.sort, {1, 2}, function() return pmap({1}, function() return call("x", "") end)[1] end)
return r[1]
