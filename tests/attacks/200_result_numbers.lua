-- class: result
-- expect: DONE
-- match: ^9223372036854775807 string string float$
-- note: numbers beyond every type, and of a hundred thousand digits
local r = call("hostile numbers", "")
return r[1] .. " " .. type(r[2]) .. " " .. type(r[3]) .. " " .. math.type(r[4])
