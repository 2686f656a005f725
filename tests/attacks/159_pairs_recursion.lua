-- class: stack
-- expect: DONE
-- match: ^false
-- note: __pairs that asks pairs
local t = setmetatable({}, {})
setmetatable(t, {__pairs = function(x) return pairs(x) end})
local ok, e = pcall(pairs, t)
return tostring(ok) .. " " .. tostring(e)
