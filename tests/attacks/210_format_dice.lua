-- class: aslr
-- expect: DONE
-- match: ^clean$
-- raw: DONE|RUNTIME
-- note: twenty thousand formats by dice: none shows an address
local chars, args = "%%%spdqaicxgsG-+ #0.19\0", {1, 1.5, "s", {}, print, coroutine.create(print), true, null, math.mininteger, 0/0}
local out = {}
for i = 1, 20000 do
	local f = {}
	for k = 1, math.random(8) do local c = math.random(#chars) f[k] = chars:sub(c, c) end
	local ok, s = pcall(string.format, table.concat(f), args[math.random(10)], args[math.random(10)], args[math.random(10)])
	s = tostring(s)
	if s:find("0x[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]") and not s:find("0x8000000000000000") and not s:find("0x0000") and not s:find("p[+-]") then return s end
end
return "clean"
