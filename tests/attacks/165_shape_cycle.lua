-- class: library
-- expect: DONE
-- match: table\[1\]
-- note: a list that contains itself has no last level
local t = {} t[1] = t
return shape(t)
