-- class: library
-- expect: DONE
-- match: ^true echo true$
-- note: a server's table: written, iterated, emptied, given a metatable
pcall(function() echo.echo = function() return "mine" end end)
for k in pairs(echo) do for k2, f in pairs(echo) do pcall(rawset, echo, k2, nil) end end
pcall(setmetatable, echo, {})
local name
for k in pairs(echo) do name = k end
assert(getmetatable(echo) == false)
return tostring(echo.echo{}.ok) .. " " .. name .. " " .. tostring(next(echo) == nil)
