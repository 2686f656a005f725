-- class: codec
-- expect: DONE
-- match: ^0$
-- note: tables that contain themselves, deep, through branches and arguments
local a, n = {}, 0
a.a = a
local b = array{} b[1] = b
local c = {} for i = 1, 100 do c = {c} end
for _, v in ipairs{a, b, c} do
	if pcall(json.encode, v) or pcall(echo.echo, {x = v}) or pcall(tools, v) then n = n + 1 end
	print(v)
end
return n
