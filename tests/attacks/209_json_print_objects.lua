-- class: codec
-- expect: DONE
-- match: ^ok$
-- note: what print makes of null, arrays of nothing, objects with a __name that is no text
print(null, array(), {}, {null}, setmetatable({}, {__name = 7}), setmetatable({}, {__name = {}, __tostring = nil}), setmetatable({f = print}, {}))
assert(not pcall(print, setmetatable({}, {__tostring = function() return {} end})))
return "ok"
