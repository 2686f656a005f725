-- class: library
-- expect: DONE
-- match: ^nil$
-- note: a global that the library uses is replaced, to be handed the library's own tables
local stolen
keys = function(t) stolen = t return {} end
pcall(function() return echo.nothing{} end)
pcall(function() return undefined_name end)
pcall(call, "echo.nothing", "")
return tostring(stolen)
