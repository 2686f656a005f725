-- class: error-object
-- expect: DONE
-- match: ^(boolean|string|table|nil)
-- note: error levels beyond every stack, from coroutines and comparators
for _, level in ipairs{-1, 0, 3, 255, 2^31 - 1, 2^32 + 1, math.mininteger} do
	pcall(error, "x", level)
	pcall(coroutine.wrap(function() error("x", level) end))
	pcall(table.sort, {2, 1}, function() error("x", level) end)
end
return type(select(2, pcall(error)))
