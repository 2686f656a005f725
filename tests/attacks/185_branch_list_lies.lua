-- class: branch
-- expect: DONE
-- match: ^2 2$
-- note: a list with __len and __index of its own is what it is
local n = 0
local lie = setmetatable({1, 2}, {__len = function() return 2^40 end, __index = function() return 7 end})
local r = pmap(lie, function(v) n = n + 1 return v end)
return #r .. " " .. n
