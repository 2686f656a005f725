-- class: library
-- expect: DONE
-- match: ^[0-9]+$
-- note: split, trim and lines of what makes backtracking patterns slow
local n = 0
for _, s in ipairs{(" "):rep(300000), (" "):rep(150000) .. "x" .. (" "):rep(150000), ("\r"):rep(300000), ("a "):rep(20000)} do
	n = n + #trim(s) + #lines(s) + #split(s) + #split(s, " x")
end
return n
