-- class: library
-- expect: DONE
-- match: ^(true|false)
-- note: __len that answers with other things than a length
local out = {}
for _, n in ipairs{1e308, -1, math.mininteger, 0/0} do
	out[#out + 1] = tostring(pcall(shape, setmetatable({1}, {__len = function() return n end})))
end
out[#out + 1] = tostring(pcall(shape, setmetatable({}, {__len = function() return {} end, __index = function() error("no") end})))
return table.concat(out, " ")
