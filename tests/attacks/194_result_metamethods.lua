-- class: result
-- expect: RUNTIME
-- match: __gc' is not available
-- raw: DONE|RUNTIME
-- note: a result with keys named like metamethods becomes a metatable
return setmetatable({}, call("hostile gc", ""))
