-- class: escape
-- expect: RUNTIME
-- match: undefined global 'debug'
-- raw: DONE|RUNTIME|CRASH|SECCOMP|OOM|CPU
-- note: overwrites what the library keeps in the registry
local r = debug.getregistry()
for i = 1, 50 do if i ~= 1 and i ~= 2 then r[i] = i end end
call("a", "b")
return json.encode(array{1})
