-- class: metatable
-- expect: RUNTIME
-- match: cannot change a protected metatable
-- raw: DONE|RUNTIME
-- note: the table of globals keeps its metatable
setmetatable(_ENV, {__index = function(_, k) return k end})
return anything
