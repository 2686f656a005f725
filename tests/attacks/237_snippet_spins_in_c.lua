-- class: snippet
-- expect: CPU
-- note: the same in a function of Lua's that does not come back
--[==[ snippet spin
local ok, e = pcall(string.find, ("a"):rep(40000), (".-"):rep(6) .. "b")
return ok, e
]==]
while true do pcall(snippets.spin, {}) end
