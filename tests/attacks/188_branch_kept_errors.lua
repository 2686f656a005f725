-- class: branch
-- expect: DONE
-- match: ^4$
-- note: errors kept as values: tables, nil, functions, objects whose __tostring never ends
local r = pmap({1, 2, 3, 4}, function(v)
	if v == 1 then error(setmetatable({}, {__tostring = function() while true do end end})) end
	if v == 2 then error(nil) end
	if v == 3 then error(print) end
	error({error = {error = {}}})
end, {errors = "keep"})
return #r
