-- class: protocol
-- expect: DONE
-- match: ^[0-9]+$
-- note: names with zeros, spaces, dots, other types: at most another spelling of a tool that there is
local n = 0
for _, name in ipairs{"echo.echo\0", " echo.echo", "echo..echo", "echo.echo.", ".", "", "tools", "tools.", "..", "echo/echo", "65535", "\255.\255", ("e"):rep(100000) .. ".e", 1, true, {}, print} do
	if pcall(_ENV.call, name, {}) then n = n + 1 end
	if pcall(function() return echo[name]{} end) then n = n + 1 end
end
return n
