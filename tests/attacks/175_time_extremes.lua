-- class: library
-- expect: DONE
-- match: ^[0-9]+ of [0-9]+ refused$
-- raw: DONE|SECCOMP|CPU
-- note: dates beyond every calendar
local no, all = 0, 0
local function try(f, ...) all = all + 1 if not pcall(f, ...) then no = no + 1 end end
for _, t in ipairs{0/0, 1/0, -1/0, 2^46, 2^46 + 2, -2^46, 0.5, math.maxinteger, math.mininteger, 2^53} do
	try(os.date, "%c", t) try(os.date, "*t", t) try(os.date, "%E", t) try(os.date, "%", t)
	try(os.time, {year = t, month = 1, day = 1}) try(os.time, {year = 1970, month = t, day = t, hour = t})
end
try(os.time, {year = {}, month = "x", day = print}) try(os.time, setmetatable({}, {__index = function(_, k) return k end}))
return no .. " of " .. all .. " refused"
