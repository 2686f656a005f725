-- class: cve
-- expect: RUNTIME
-- match: __mode' is not available
-- raw: OOM|CPU|DONE
-- note: upstream 983bc433: a weak metatable is collected while its __newindex is followed (needs a failing allocation)
local keep = {}
for round = 1, 20 do
	local t = setmetatable({}, setmetatable({__newindex = {}}, {__mode = "kv"}))
	for i = 1, 200000 do t[i] = {i} keep[#keep + 1] = t[i] end
end
return #keep
