-- class: snippet
-- expect: CALLS
-- match: ^script:[0-9]+: snippets.call_all:1: the tool-call budget of this run is used up
-- note: calls in a snippet are the run's, however many snippets make them, in branches or not
--[==[ snippet call_all
for i = 1, 7 do pcall(echo.echo, {n = "x", s = i}) end
]==]
pmap({1, 2, 3}, function(i) snippets.call_all{} end)
while true do pcall(snippets.call_all, {v = 1}) end
