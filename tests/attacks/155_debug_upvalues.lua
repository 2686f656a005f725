-- class: escape
-- expect: RUNTIME
-- match: undefined global 'debug'
-- raw: PROTO|CRASH|RUNTIME|SECCOMP
-- note: changes the handle inside a tool's closure
local f = echo.echo
for i = 1, 10 do debug.setupvalue(f, i, 77) end
return f{}
