-- class: snippet
-- expect: CPU
-- match: ^script:[0-9]+: snippets.spin:2: CPU limit exceeded
-- note: the limit of the run holds in a snippet, caught or not, and says whose line it is
--[==[ snippet spin
local n = 0
while true do n = n + 1 end
]==]
while true do pcall(snippets.spin, {}) end
