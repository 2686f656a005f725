-- class: library
-- expect: DONE
-- match: ^refused$
-- note: string functions that say that every name is the same name
string.gsub = function() return "same" end
string.lower = function() return "same" end
string.match = function() return "echo", "drop_all" end
local ok, e = pcall(function() return echo.drop_all{} end)
local ok2, e2 = pcall(call, "anything")
return type(e) == "table" and "refused" or (ok and "refused" or "odd")
