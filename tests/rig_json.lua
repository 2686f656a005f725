-- SPDX-License-Identifier: Apache-2.0
--
-- rig_json - JSON for scenarios.  json.null is a value of its own; integers stay integers; a Lua
-- table with [1], or one from json.array{}, is written as an array.

json = { null = setmetatable({}, { __tostring = function() return "null" end }) }
local ARRAY = {}

function json.array(t) return setmetatable(t or {}, ARRAY) end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local function quote(s)
	return '"' .. s:gsub('[%c"\\]', function(c)
		return ESCAPES[c] or string.format("\\u%04x", c:byte())
	end) .. '"'
end

local function encode(v)
	local kind = type(v)
	if v == json.null or v == nil then return "null" end
	if kind == "string" then return quote(v) end
	if kind == "boolean" then return tostring(v) end
	if kind == "number" then
		return math.type(v) == "integer" and tostring(v) or string.format("%.17g", v)
	end
	if kind ~= "table" then error("cannot write a " .. kind .. " as JSON", 0) end
	local out = {}
	if v[1] ~= nil or getmetatable(v) == ARRAY then
		for i, e in ipairs(v) do out[i] = encode(e) end
		return "[" .. table.concat(out, ",") .. "]"
	end
	local keys = {}
	for k in pairs(v) do keys[#keys + 1] = k end
	table.sort(keys)
	for i, k in ipairs(keys) do out[i] = quote(k) .. ":" .. encode(v[k]) end
	return "{" .. table.concat(out, ",") .. "}"
end
json.encode = encode

local UNESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local decode_value

local function skip(s, i) return s:match("^[ \t\r\n]*()", i) end

local function decode_string(s, i)
	local out = {}
	while true do
		local j = s:find('["\\]', i)
		if not j then error("JSON string without an end", 0) end
		out[#out + 1] = s:sub(i, j - 1)
		if s:byte(j) == 34 then return table.concat(out), j + 1 end
		local c = s:sub(j + 1, j + 1)
		if c == "u" then
			local code = tonumber(s:sub(j + 2, j + 5), 16) or error("bad \\u", 0)
			i = j + 6
			if code >= 0xd800 and code < 0xdc00 then
				local low = tonumber(s:match("^\\u(%x%x%x%x)", i) or error("lone surrogate", 0), 16)
				code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
				i = i + 6
			end
			out[#out + 1] = utf8.char(code)
		else
			out[#out + 1] = UNESCAPES[c] or error("bad escape", 0)
			i = j + 2
		end
	end
end

local function decode_list(s, i, close, element)
	i = skip(s, i)
	if s:sub(i, i) == close then return i + 1 end
	while true do
		i = skip(s, element(skip(s, i)))
		local c = s:sub(i, i)
		i = i + 1
		if c == close then return i end
		if c ~= "," then error("JSON: ',' or '" .. close .. "' expected at " .. i - 1, 0) end
	end
end

local function decode_object(s, i)
	local t = {}
	return t, decode_list(s, i, "}", function(j)
		if s:byte(j) ~= 34 then error("JSON: a key expected at " .. j, 0) end
		local k, after = decode_string(s, j + 1)
		after = skip(s, after)
		if s:sub(after, after) ~= ":" then error("JSON: ':' expected at " .. after, 0) end
		t[k], after = decode_value(s, skip(s, after + 1))
		return after
	end)
end

local function decode_array(s, i)
	local t = json.array()
	return t, decode_list(s, i, "]", function(j)
		local v, after = decode_value(s, j)
		t[#t + 1] = v
		return after
	end)
end

local WORDS = { ["true"] = true, ["false"] = false, null = json.null }
function decode_value(s, i)
	local c = s:sub(i, i)
	if c == "{" then return decode_object(s, i + 1) end
	if c == "[" then return decode_array(s, i + 1) end
	if c == '"' then return decode_string(s, i + 1) end
	local word, after = s:match("^(%a+)()", i)
	if word and WORDS[word] ~= nil then return WORDS[word], after end
	local number, past = s:match("^(-?%d[%d.eE+-]*)()", i)
	if not number then error("JSON: a value expected at " .. i .. " in " .. s:sub(1, 200), 0) end
	return math.tointeger(number) or tonumber(number), past
end

function json.decode(s)
	local v, i = decode_value(s, skip(s, 1))
	if skip(s, i) <= #s then error("JSON: text after the value at " .. i, 0) end
	return v
end

-- The value, or nil when the text is not JSON.
function json.try(s)
	local ok, v = pcall(json.decode, s)
	return ok and v or nil
end
