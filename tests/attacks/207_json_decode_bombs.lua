-- class: codec
-- expect: DONE
-- match: ^0$
-- note: texts that ask for recursion, long numbers, unfinished strings
local n = 0
for _, s in ipairs{("["):rep(1000000), ('{"a":'):rep(200000), '"' .. ("\\u"):rep(100000), '"' .. ("\\ud800"):rep(50000), "-", "1e", "0x10", "[1,]", '{"a"}', "nul", "\0", "[" .. ("1,"):rep(300000), ("-"):rep(1000000)} do
	if pcall(json.decode, s) then n = n + 1 end
end
return n
