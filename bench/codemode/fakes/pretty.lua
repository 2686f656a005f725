-- SPDX-License-Identifier: Apache-2.0
-- pretty - JSON as JSON.stringify(value, null, 2) writes it, which is how most servers do; keys are sorted.
local function pretty(v, indent)
	if type(v) ~= "table" or next(v) == nil then return json.encode(v) end
	local inner, out = indent .. "  ", {}
	if v[1] ~= nil then
		for i, e in ipairs(v) do out[i] = inner .. pretty(e, inner) end
		return "[\n" .. table.concat(out, ",\n") .. "\n" .. indent .. "]"
	end
	local keys = {}
	for k in pairs(v) do keys[#keys + 1] = k end
	table.sort(keys)
	for i, k in ipairs(keys) do out[i] = inner .. json.encode(k) .. ": " .. pretty(v[k], inner) end
	return "{\n" .. table.concat(out, ",\n") .. "\n" .. indent .. "}"
end

return function(v) return pretty(v, "") end
