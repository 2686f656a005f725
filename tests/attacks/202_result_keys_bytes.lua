-- class: result
-- expect: DONE
-- match: ^(true|false) [0-9]+$
-- note: keys with zeros and line ends go back as arguments
local r = call("hostile keys", "")
local ok = pcall(echo.echo, r)
local n = 0
for k in pairs(r) do n = n + #k end
return tostring(ok) .. " " .. n
