-- class: output
-- expect: DONE|OUTPUT|RUNTIME
-- note: a script returns a hundred thousand values
local t = {} for i = 1, 100000 do t[i] = i end
return table.unpack(t)
