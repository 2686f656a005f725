-- class: cve
-- expect: DONE
-- match: ^true$
-- note: upstream: l_strcmp reads past strings with embedded zeros of unequal length
local a, b = ("k\0"):rep(50000), ("k\0"):rep(50000) .. "\0"
local n = 0
for i = 1, 50 do if a < b and not (b <= a) and a .. "\0" >= a then n = n + 1 end end
return n == 50
