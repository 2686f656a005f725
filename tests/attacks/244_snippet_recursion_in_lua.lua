-- class: snippet
-- expect: RUNTIME
-- match: ^script:[0-9]+: snippets.deep:1: stack overflow
-- note: recursion inside of a snippet; the script's line is told, far below
--[==[ snippet deep
local function f(n) return 1 + f(n + 1) end
return f(1)
]==]
return snippets.deep{}
