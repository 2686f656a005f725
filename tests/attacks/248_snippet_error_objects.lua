-- class: snippet
-- expect: RUNTIME
-- note: an error that a snippet raises for the script: a table whose text is an endless script's
--[==[ snippet throw
error(args.v, 0)
]==]
local bomb = setmetatable({}, {__tostring = function() return snippets.throw{v = ("x"):rep(3000000)} end,
	__index = function(t, k) return k end, __name = ("y"):rep(100000)})
local ok, e = pcall(snippets.throw, {v = bomb})
if rawequal(e, bomb) then error(bomb) end
return "another error"
