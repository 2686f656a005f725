-- class: text
-- expect: DONE
-- match: ^[0-9]+ of [0-9]+ refused$
-- note: ranges that begin or end where integers do
local no, all = 0, 0
local t = setmetatable({}, {__index = function() return 1 end, __len = function() return math.maxinteger end})
local function try(f, ...) all = all + 1 if not pcall(f, ...) then no = no + 1 end end
local m, n = math.maxinteger, math.mininteger
for _, r in ipairs{{m, m}, {n, n}, {m - 1, m}, {n, n + 1}, {n, m}, {m, n}, {0, m}, {-1, 2^31}} do
	try(table.unpack, t, r[1], r[2]) try(table.move, t, r[1], r[1], r[2]) if r[1] >= 0 then try(table.remove, t, r[1]) end try(table.insert, t, r[1], 1) try(select, r[1], 1, 2)
	if r[2] - r[1] >= 0 and r[2] - r[1] < 5 then try(table.concat, t, ",", r[1], r[2]) end
end
return no .. " of " .. all .. " refused"
