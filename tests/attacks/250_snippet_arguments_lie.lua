-- class: snippet
-- expect: DONE
-- match: ^7$
-- note: arguments under a metatable, with keys of any kind, too many, none; they are read as they are
--[==[ snippet take
return args.v
]==]
local lies = setmetatable({v = 7}, {__index = function() error("asked") end, __pairs = function() error("asked") end,
	__len = function() return 1e9 end, __newindex = function() error("written") end})
local many = {}
for i = 1, 1000 do many["k" .. i] = i end
for _, t in ipairs{{1}, {[1.5] = 1}, {[true] = 1}, {[{}] = 1}, {["v\0"] = 1}, {[("v"):rep(1000000)] = 1}, many, {[""] = 1}} do
	local ok, e = pcall(snippets.take, t)
	if ok or e.code ~= "invalid_args" or #e.message > 400 then return "taken" end
end
for _, f in ipairs{function() snippets.take(1) end, function() snippets.take({}, {}) end, function() snippets.take("x") end} do
	local ok, e = pcall(f)
	if ok then return "called" end
end
return snippets.take(lies)
