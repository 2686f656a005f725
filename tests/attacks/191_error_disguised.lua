-- class: error-object
-- expect: RUNTIME
-- note: a caught error under a metatable of the script's: its text is the script's, and cut
local ok, e = pcall(call, "err", "")
setmetatable(e, {__tostring = function() return ("x"):rep(5000000) end, __index = function() error("no") end})
error(e, 2^31)
