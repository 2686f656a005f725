-- class: snippet
-- expect: RUNTIME | DONE
-- match: stack overflow
-- note: a function of the script's in a snippet begins at no depth: Lua's own limit of nested calls ends it
--[==[ snippet back
return args.v()
]==]
local function f() return (snippets.back{v = f}) end
return f()
