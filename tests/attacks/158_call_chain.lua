-- class: metatable
-- expect: CPU|RUNTIME|OOM
-- note: a table that is its own __call: each try adds an argument and moves all others
local t = {}
setmetatable(t, {__call = t})
return t()
