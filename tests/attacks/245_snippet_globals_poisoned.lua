-- class: snippet
-- expect: DONE
-- match: ^clean$
-- note: whatever a script does to what it finds, a snippet finds Lua's own
--[==[ snippet works
local seen = {}
local function is(what, good) if not good then seen[#seen + 1] = what end end
is("string", ("%d"):format(7) == "7" and string.format("%s", "x") == "x" and ("a,b"):split(",")[2] == "b")
is("table", table.concat({1, 2}, "-") == "1-2" and select("#", table.unpack{1, 2}) == 2)
is("json", json.encode{a = 1} == '{"a":1}' and json.decode("[1]")[1] == 1 and JSON.parse("[2]")[1] == 2)
is("error", not pcall(error, "x") and select(2, pcall(error, "x")) == "x")
is("type", type({}) == "table" and tostring(1) == "1" and tonumber("2") == 2 and math.type(1) == "integer")
is("list", #map({1, 2}, function(v) return v end) == 2 and sum{1, 2} == 3 and keys{b = 1, a = 2}[1] == "a")
is("raw", rawget({a = 1}, "a") == 1 and rawlen{1, 2} == 2 and rawequal(1, 1) and next{} == nil)
is("meta", getmetatable(setmetatable({}, {__index = {x = 1}})).__index.x == 1)
is("co", coroutine.wrap(function() coroutine.yield(5) end)() == 5)
is("require", require("json").encode{} ~= nil and require("cjson") == json)
is("tool", echo.echo{n = "a", s = 1}.ok == true and call("echo.echo", {n = "b", s = 2}).ok == true)
is("pmap", pmap({1, 2}, function(v) return v * 2 end)[2] == 4)
is("utf8", utf8.len("ä") == 1 and utf8.char(228) == "ä")
is("os", os.time{year = 1970, month = 1, day = 1, hour = 0} == 0)
is("shared", rawget(_ENV, "planted") == nil and not pcall(function() return planted end))
for _, v in ipairs{1} do is("ipairs", v == 1) end
for k, v in pairs{q = 2} do is("pairs", k == "q" and v == 2) end
return #seen == 0 and "clean" or table.concat(seen, " ")
]==]
local rawset, next, type, evil, works = rawset, next, type, function() return "evil" end, snippets.works
planted = true
local function ruin(t, depth)
	for k, v in next, t do
		if type(v) == "table" and depth < 3 and t[k] ~= t then ruin(v, depth + 1) end
		if type(v) == "function" then rawset(t, k, evil) end
	end
end
for _, name in next, {"string", "table", "math", "json", "coroutine", "utf8", "os", "JSON", "console"} do ruin(_ENV[name], 0) end
rawset(echo, "echo", evil)
rawset(snippets, "works", evil)
ruin(_ENV, 0)
for k in next, _ENV do rawset(_ENV, k, nil) end
return works{}
