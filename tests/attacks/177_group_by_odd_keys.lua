-- class: library
-- expect: DONE
-- match: ^1 false false
-- note: lists whose keys are NaN, nil, tables, functions; order of what has none
local n = 0
for k in pairs(group_by({1, 2, 3}, function(v) return v == 2 and {} or nil end)) do n = n + 1 end
local a = pcall(group_by, {1}, function() return 0/0 end)
local b = pcall(sort_by, {{}, 1, "x", print}, function(v) return v end)
local c = pcall(sort_by, {1, 2, 3}, function(v) return setmetatable({}, {__lt = function() coroutine.yield() end}) end)
local d = pcall(sum, {1, {}, "x"})
return n .. " " .. tostring(a) .. " " .. tostring(b) .. " " .. tostring(c) .. " " .. tostring(d)
