-- class: snippet
-- expect: DONE
-- match: ^nothing$
-- note: whatever a snippet does to what it finds, neither the script nor the next snippet finds it
--[==[ snippet ruin
local rawset, next, type, evil = rawset, next, type, function() return "evil" end
for _, name in next, {"string", "table", "math", "json", "coroutine", "utf8", "os", "JSON", "console"} do
	local t = _ENV[name]
	for k in next, t do rawset(t, k, evil) end
end
planted, print, ipairs, setmetatable, map = evil, evil, evil, evil, evil
rawset(_ENV, "planted_raw", evil)
rawset(echo, "echo", evil)
rawset(snippets, "look", evil)
_ENV = {}
]==]
--[==[ snippet look
return (string.format("%d", 1) == "1" and rawget(_ENV, "planted") == nil and rawget(_ENV, "planted_raw") == nil and
	type(map) == "function" and #map({1}, tostring) == 1 and echo.echo{n = "a", s = 1}.ok) and "good" or "bad"
]==]
snippets.ruin{}
local ok, e = pcall(function() return planted end)
local found = {}
if ok then found[#found + 1] = "planted" end
if rawget(_ENV, "planted_raw") then found[#found + 1] = "planted_raw" end
if ("%d"):format(1) ~= "1" or ("x"):upper() ~= "X" then found[#found + 1] = "methods" end
if json.encode{1} ~= "[1]" or JSON.parse("[1]")[1] ~= 1 then found[#found + 1] = "json" end
if #map({1, 2}, tostring) ~= 2 then found[#found + 1] = "map" end
if echo.echo{n = "b", s = 2}.ok ~= true then found[#found + 1] = "tool" end
if snippets.look{} ~= "good" then found[#found + 1] = "look" end
return #found == 0 and "nothing" or table.concat(found, " ")
