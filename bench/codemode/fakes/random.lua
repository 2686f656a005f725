-- SPDX-License-Identifier: Apache-2.0
-- random - numbers that are the same everywhere: random("seed") gives a function r, r(n) is 1 to n.
return function(seed)
	local x = 88172645463325252
	for i = 1, #seed do x = x ~ seed:byte(i) * 0x9e3779b97f4a7c15 ~ x << 7 end
	return function(n)
		x = x ~ x << 13
		x = x ~ x >> 7
		x = x ~ x << 17
		return (x >> 1) % n + 1
	end
end
