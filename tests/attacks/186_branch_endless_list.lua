-- class: branch
-- expect: CPU
-- note: parallel takes a list that has no end
return parallel(setmetatable({}, {__index = function() return function() end end}))
