-- class: blob
-- expect: DONE
-- match: ^#1 0$
-- note: text that looks like a handle is text: as an argument, shown, decoded, returned
local n = 0
if not echo.echo{x = "\0#1", ["\0#2"] = {"\0#3", "\0\0#4"}}.ok then n = n + 1 end
for _, s in ipairs{'#{"ref":1}', '[#{"ref":1}]', '#', '#[]', '{"a":#{}}', '"\\u0000#1"x'} do
	if pcall(json.decode, s) then n = n + 1 end
end
for _, v in ipairs{"\0#1", {}, print, 1, {blob = 1}} do pcall(show, v) end
return ("\0#1"):sub(2) .. " " .. n
