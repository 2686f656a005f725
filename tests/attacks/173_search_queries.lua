-- class: budget
-- expect: DONE
-- match: ^(true|false)( (true|false))+$
-- note: queries of every size and kind
local out = {}
for _, q in ipairs{("x"):rep(2000000), {query = {}}, {query = ("[%"):rep(1000)}, {}, {[1] = 1}, "\0\27[2J", 42} do
	out[#out + 1] = tostring((pcall(tools, q)))
end
return table.concat(out, " ")
