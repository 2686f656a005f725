-- class: snippet
-- expect: OOM
-- match: ^script:[0-9]+: snippets.grow:[23]: memory limit exceeded
-- note: what a snippet takes is the run's
--[==[ snippet grow
local t = {}
for i = 1, 1e9 do
	t[i] = ("x"):rep(1000) .. i end
]==]
while true do pcall(snippets.grow, {}) end
