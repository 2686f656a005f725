-- class: codec
-- expect: DONE
-- match: ^0$
-- note: keys that JSON has not, or that become one
local n = 0
for _, t in ipairs{{[1] = 1, ["1"] = 2, x = 1}, {[1.5] = 1}, {[true] = 1}, {[{}] = 1}, {[print] = 1}, {["\xff"] = 1}, {[0/1 + 0.25] = 1}, {[null] = 1}} do
	if pcall(json.encode, t) then n = n + 1 end
end
return n
