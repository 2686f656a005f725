-- class: branch
-- expect: DONE
-- match: ^[0-9]+$
-- note: the list of a pmap is emptied and refilled while it runs
local list = {} for i = 1, 20 do list[i] = i end
local r = pmap(list, function(v, i)
	for k = 1, 40 do list[k] = k % 3 == 0 and nil or function() return k end end
	return v ~= nil and call("a", type(v)).ok or false
end)
return #r
