-- class: metatable
-- expect: DONE
-- match: ^own:3$
-- note: another _ENV: what the library keeps is not reached through it
local real = _ENV
do
	local _ENV = setmetatable({}, {__index = function(_, k) return "own" end, __newindex = function() end})
	x = 1
	name = y
end
local _ENV = {tostring = function() return "own" end, sum = real.sum}
return tostring(1) .. ":" .. sum{1, 2}
