-- class: codec
-- expect: DONE
-- match: ^string float string$
-- note: numbers of a million digits
local a = json.decode("1" .. ("0"):rep(1000000))
local b = json.decode("0." .. ("1"):rep(1000000))
local c = json.decode("1e" .. ("9"):rep(1000000))
return type(a) .. " " .. math.type(b) .. " " .. type(c)
