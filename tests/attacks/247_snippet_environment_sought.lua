-- class: snippet
-- expect: DONE
-- match: ^nothing$
-- note: no way from a function, a thread, an error or a metatable of a snippet to its globals
--[==[ snippet give
secret = "hidden"
local hidden = "hidden"
return {f = function() return hidden end, co = coroutine.create(function() coroutine.yield(1) return hidden end),
	fails = function() local x = hidden .. nil end, mt = setmetatable({}, {__metatable = "locked", __index = function() return nil end}),
	env = getmetatable(_ENV)}
]==]
local found = {}
local function look(what, v) if v == "hidden" or type(v) == "table" and rawget(v, "secret") then found[#found + 1] = what end end
local g = snippets.give{}
look("global", rawget(_ENV, "secret"))
look("debug", rawget(_ENV, "debug") and debug.getupvalue and select(2, debug.getupvalue(g.f, 1)))
look("metatable", getmetatable(g.mt))
look("env", g.env)
look("server", getmetatable(snippets))
look("thread", coroutine.running())
local ok, e = xpcall(g.fails, function(m) return m end)
look("error", e)
if type(e) ~= "string" or e:find("hidden", 1, true) and not e:find("upvalue 'hidden'", 1, true) then found[#found + 1] = "text" end
local ok, e = pcall(setmetatable, snippets, {})
if ok then found[#found + 1] = "setmetatable" end
return #found == 0 and "nothing" or table.concat(found, " ")
