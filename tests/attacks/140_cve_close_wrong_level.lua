-- class: cve
-- expect: DONE
-- match: __close' is not available
-- raw: DONE|RUNTIME
-- note: upstream: to-be-closed variables of a for loop left by an error in a close handler
local function closer() return setmetatable({}, {__close = function(_, e) error(e or "again", 0) end}) end
local ok, e = pcall(function()
	for i in (function() return 1 end), nil, nil, closer() do
		local x <close> = closer()
		goto out
		::out::
		error("in the loop")
	end
end)
return tostring(e)
