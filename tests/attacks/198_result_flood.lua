-- class: result
-- expect: DONE|CPU|OOM
-- note: an object of a hundred thousand keys made to look alike
local n = 0
for k, v in pairs(call("hostile flood", "")) do n = n + 1 end
return n
