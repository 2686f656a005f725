-- class: text
-- expect: DONE
-- match: ^[0-9]+ of [0-9]+ refused$
-- note: positions at both ends of the integers
local no, all = 0, 0
local s = ("\u{10ffff}"):rep(200000)
local function try(f, ...) all = all + 1 if not pcall(f, ...) then no = no + 1 end end
for _, i in ipairs{math.mininteger, -2^40, -1, 0, 1, 2^31, math.maxinteger} do
	i = math.tointeger(i)
	try(utf8.codepoint, s, i, -1) try(utf8.codepoint, s, 1, i) try(utf8.len, s, i) try(utf8.offset, s, i) try(utf8.offset, s, 1, i)
	try(utf8.char, i) try(string.byte, s, i, math.maxinteger) try(string.sub, s, i, i) try(string.rep, s, i)
end
return no .. " of " .. all .. " refused"
