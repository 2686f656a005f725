-- class: budget
-- expect: RUNTIME
-- match: too many branches \(257; the limit is 256\)
-- note: one branch more than there may be
local t = {} for i = 1, 257 do t[i] = i end
return pmap(t, function(v) return v end)
