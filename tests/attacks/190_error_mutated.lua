-- class: error-object
-- expect: RUNTIME
-- match: ^script
-- note: a caught error is filled with other things and raised again
local ok, e = pcall(call, "err", "")
e.line = 7 e.server = ("s"):rep(200000) e.tool = {} e.code = 42 e.message = ("\27[2J\r\n\0"):rep(100000)
error(e)
