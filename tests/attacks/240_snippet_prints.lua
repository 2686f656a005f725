-- class: snippet
-- expect: OUTPUT
-- match: ^script:[0-9]+: snippets.say:1: printed more than 65536 bytes
-- note: printed text of snippets counts with the script's
--[==[ snippet say
print(("x"):rep(1000))
]==]
for i = 1, 100 do pcall(snippets.say, {}) print(i) end
