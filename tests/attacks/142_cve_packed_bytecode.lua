-- class: bytecode
-- expect: RUNTIME
-- match: attempt to call a nil value \(field 'dump'\)
-- raw: CRASH|CPU|OOM|DONE|RUNTIME|SECCOMP
-- note: a dumped function, patched, loaded again: reads and writes outside of its registers
local s = string.dump(function(a, b) local t = {a, b} return t[1] .. t[2] end)
for i = 20, #s do
	local f = load(s:sub(1, i - 1) .. string.char((s:byte(i) + 113) % 256) .. s:sub(i + 1), "x", "b")
	if f then pcall(f, "a", "b") end
end
return "survived"
