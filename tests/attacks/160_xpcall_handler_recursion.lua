-- class: stack
-- expect: DONE|RUNTIME|CPU
-- note: each handler makes an error in a protected call with itself as the handler
local n = 0
local function h(e) n = n + 1 return select(2, xpcall(error, h, e)) end
local ok, e = xpcall(error, h, "x")
return type(e) .. (n > 10 and " deep" or " flat")
