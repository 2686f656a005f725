-- class: branch
-- expect: DONE
-- match: ^6 true$
-- note: a comparator inside a branch calls tools: the branch cannot yield there, the others wait
local r = pmap({1, 2, 3, 4, 5, 6}, function(v)
	local t = {3, 1, 2}
	table.sort(t, function(a, b) return call("c", a) and a < b end)
	return t[1] == 1 and call("d", v).ok
end)
local all = true
for _, v in ipairs(r) do all = all and v == true end
return #r .. " " .. tostring(all)
