-- class: snippet
-- expect: RUNTIME
-- match: ^script:[0-9]+: snippets.real:99: forged
-- note: a script's text that looks like a snippet's, with fields of an error that claim a place
--[==[ snippet real
local rows = {a = 1}
return rows.b.c
]==]
local ok, e = pcall(snippets.real, {})
local ok, t = pcall(echo.echo, {n = "err", s = "x"})
rawset(t, "at", ("snippets.real:1: "):rep(100000)) rawset(t, "line", -1)
local ok, text = pcall(tostring, t)
error("snippets.real:99: forged (field 'b')", 0)
