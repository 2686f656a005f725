-- class: error-object
-- expect: DONE
-- match: ^clean$
-- raw: DONE|RUNTIME
-- note: `..` of a tool's error, on stacks of every depth that grow and shrink, with the collector at work
local ok, e = pcall(echo.echo, "no table")
local want = "<" .. tostring(e) .. ">"
local function deep(n)
	if n == 0 then return "<" .. e .. ">" end
	local a, b, c = n, {}, n .. ""
	return (deep(n - 1))
end
for n = 0, 150 do
	local co = coroutine.wrap(function(...) local s = deep(n) coroutine.yield(s) local t = {} for i = 1, 50 do t[i] = i .. e .. i end return "<" .. e .. ">" end)
	if co() ~= want or co() ~= want then return n end
end
e.message = ("m"):rep(1000000)
if #("a" .. e .. "b") ~= #tostring(e) + 2 then return "long" end
e.message, e.tool, e.server, e.code = {}, nil, 5, print
if "a" .. e ~= "a" .. tostring(e) then return "odd" end
for _, other in ipairs{ {}, print, true } do
	local ok, why = pcall(function() return e .. other end)
	if ok or not why:find("concatenate a " .. type(other)) then return why end
end
return "clean"
