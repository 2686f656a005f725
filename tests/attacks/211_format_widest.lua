-- class: text
-- expect: DONE
-- match: ^[0-9]+$
-- note: the longest that one conversion can write
local n = 0
for _, v in ipairs{1e308, -1e308, 5e-324, 1/0, 0/0, math.mininteger} do
	for _, f in ipairs{"%99.99f", "%-99.99e", "%+99.99g", "%#99.99a"} do n = n + #f:format(v) end
	n = n + #("%q"):format(v)
end
return n
