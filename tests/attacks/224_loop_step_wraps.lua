-- class: cpu
-- expect: CPU
-- note: a loop that a goto makes endless without a call or a table
local i = math.mininteger
::again:: i = i * 3 // 1 ~ i << 1
goto again
