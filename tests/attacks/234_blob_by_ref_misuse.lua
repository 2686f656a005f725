-- class: blob
-- expect: DONE
-- match: ^(true|false)( (true|false))*$
-- note: by_ref of what is no tool, with what are no arguments, from a comparator and from branches
local out = {}
for _, f in ipairs{print, "echo.nothing", "tools", {}, 1, pmap, by_ref} do out[#out + 1] = tostring((pcall(by_ref, f, {}))) end
out[#out + 1] = tostring((pcall(by_ref, echo.echo, print)))
out[#out + 1] = tostring((pcall(table.sort, {2, 1}, function() return by_ref(echo.echo, {}) end)))
out[#out + 1] = tostring((pcall(pmap, {1, 2, 3}, function(v) return by_ref(echo.echo, {v = v}) end)))
return table.concat(out, " ")
