-- class: result
-- expect: DONE
-- match: ^\{\}\[\]$|^\[\]\[\]$|^true
-- note: a result carries the names that the library uses for its own marks
local r = call("hostile marks", "")
local t = setmetatable({}, r)
assert(json.encode(t) == "[]" or json.encode(t) == "{}")
setmetatable(t, {__index = 1})
return tostring(json.encode(r):find("__nulls") ~= nil)
