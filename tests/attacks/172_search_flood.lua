-- class: budget
-- expect: CALLS
-- match: budget
-- note: searches are calls
for i = 1, 1e6 do tools("q" .. i) end
