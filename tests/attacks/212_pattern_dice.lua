-- class: text
-- expect: DONE
-- match: ^done$
-- note: twenty thousand patterns by dice, most of them malformed
local chars = "%[]^$.*+-?()abfdw%1%b\0\255"
for i = 1, 20000 do
	local p = {}
	for k = 1, math.random(10) do local c = math.random(#chars) p[k] = chars:sub(c, c) end
	local s = table.concat(p)
	pcall(string.find, "aab\0[]()^$\255", s, math.random(-5, 15))
	pcall(string.gsub, "ab ab", s, "%1%0%2")
end
return "done"
