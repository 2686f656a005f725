-- class: result
-- expect: DONE
-- match: ^9$
-- note: what is no JSON at all is an error that can be caught
local n = 0
for i = 1, 9 do
	local ok, e = pcall(call, "hostile junk " .. i, "")
	if not ok and e.code == "upstream" then n = n + 1 end
end
return n
