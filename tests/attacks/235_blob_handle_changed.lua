-- class: blob
-- expect: DONE
-- match: ^0 image/png$
-- note: a handle is written to, given a metatable, added, called, measured, iterated
local h, n = call("hostile handle", ""), 0
local function no(f, ...) if pcall(f, ...) then n = n + 1 end end
no(function() h.ref = 2 end) no(rawset, h, "ref", 2) no(setmetatable, h, {}) no(function() return #h end)
no(function() return h .. h end) no(function() return h() end) no(function() for _ in pairs(h) do end end) no(next, h) no(function() return h < h end)
no(function() return h.ref end) no(function() return h[1] end) no(rawget, h, "ref")
assert(getmetatable(h) == false)
h.shape.a = {h} h.shape.b = print
assert(#tostring(h) < 1000 and not tostring(h):find("0x") and not ("%s"):format(h):find("0x"))
echo.echo{x = h, y = {h, h}} pcall(show, h) print(h, {h}) shape({h})
return n .. " " .. h.type
