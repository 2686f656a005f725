-- class: library
-- expect: DONE
-- match: ^ok ok$
-- note: every function of the language is replaced; tools answer as before
local say, enc = tostring, json.encode
for _, n in ipairs{"tostring", "type", "error", "ipairs", "pairs", "select", "rawget", "rawset", "next", "tonumber", "print", "assert", "pcall"} do
	_ENV[n] = function() return "poison" end
end
string.gsub, string.match, string.lower, string.find, string.sub = nil, nil, nil, nil, nil
table.sort, table.concat, table.unpack, math.floor, math.type = nil, nil, nil, nil, nil
local a = call("a", "b").ok and "ok" or "no"
local b = pmap({1, 2, 3}, function(v) return call("a", v) end)
return a .. (b[3].ok and " ok" or " no")
