-- class: library
-- expect: DONE
-- match: ^done$
-- note: comparators that answer by dice, change the table, raise, or never agree with themselves
local function dice() return math.random(2) == 1 end
for round = 1, 20 do
	local t = {} for i = 1, 500 do t[i] = math.random(50) end
	pcall(table.sort, t, dice)
	pcall(table.sort, t, function(a, b) t[math.random(600)] = nil return dice() end)
	pcall(table.sort, t, function(a, b) if math.random(90) == 1 then error("x") end return true end)
	pcall(sort_by, t, dice)
end
return "done"
