-- class: result
-- expect: DONE
-- match: ^table$
-- note: an error whose members are not what errors have
local ok, e = pcall(call, "hostile error", "")
assert(#tostring(e) < 100000)
local ok2, e2 = pcall(error, e)
return type(e)
