-- class: cpu
-- expect: DONE
-- match: ^3 2 1 0$
-- note: loops at the ends of the integers, with steps that pass them
local function count(a, b, s) local n = 0 for i = a, b, s do n = n + 1 if n > 10 then break end end return n end
local m, n = math.maxinteger, math.mininteger
return count(m - 2, m, 1) .. " " .. count(m - 1, m + 1.0, 1) .. " " .. count(n, n, -1) .. " " .. count(1, 0, m)
