-- SPDX-License-Identifier: Apache-2.0
--
-- schema - tool definitions from a short form, so that two hundred and ninety of them can be read.
--
--   read_text_file readonly                     name, then readonly | destructive | idempotent | bare (no annotations)
--   | Reads a whole file as text.               the description, a line of it per line
--   path! string: Where the file is.            a parameter; ! is required
--   head integer=10: Only so many lines.        a default
--   -> content string                           a member of the result's schema
--
-- Types: string, integer, number, boolean, object, T[], <a,b,c> (one of these words), {a! T, b T}.
-- schema(text) gives the list of definitions as tools/list has them.

local PLAIN = { string = true, integer = true, number = true, boolean = true, object = true }

local DRAFT = "https://json-schema.org/draft/2020-12/schema"

local parse_type

-- "a! T, b T" up to the closing brace; the object's schema and what follows.
local function parse_members(s)
	local properties, required = {}, json.array()
	while true do
		local name, must, rest = s:match("^%s*([%w_]+)(!?)%s+(.*)$")
		if not name then error("no member at " .. s) end
		local t
		t, s = parse_type(rest)
		properties[name] = t
		if must == "!" then required[#required + 1] = name end
		local mark
		mark, s = s:match("^%s*([,}])(.*)$")
		if mark == "}" then break end
		if not mark then error("a type is not closed") end
	end
	return { type = "object", properties = properties, required = #required > 0 and required or nil }, s
end

-- The schema at the beginning of s, and the rest of s.
function parse_type(s)
	local t
	local word = s:match("^%a+")
	if word then
		if not PLAIN[word] then error("no type is called " .. word) end
		t, s = { type = word }, s:sub(#word + 1)
	elseif s:sub(1, 1) == "<" then
		local list, rest = s:match("^<(.-)>(.*)$")
		t, s = { type = "string", enum = json.array() }, rest
		for w in list:gmatch("[^,]+") do t.enum[#t.enum + 1] = w end
	elseif s:sub(1, 1) == "{" then
		t, s = parse_members(s:sub(2))
	else
		error("no type at " .. s)
	end
	while s:sub(1, 2) == "[]" do t, s = { type = "array", items = t }, s:sub(3) end
	return t, s
end

local function default_of(t, text)
	if t.type == "boolean" then return text == "true" end
	return t.type == "string" and text or math.tointeger(tonumber(text)) or tonumber(text)
end

local function parameter(tool, line)
	local name, must, rest = line:match("^([%w_%-]+)(!?)%s+(.*)$")
	local t, text = parse_type(rest)
	local default, said = text:match("^=(%S-):%s*(.*)$")
	said = said or text:match("^:%s*(.*)$")
	if default then t.default = default_of(t, default) end
	t.description = said ~= "" and said or nil
	if t.type == "integer" then t.minimum, t.maximum = -9007199254740991, 9007199254740991 end
	local input = tool.inputSchema
	input.properties[name] = t
	if must == "!" then
		input.required = input.required or json.array()
		input.required[#input.required + 1] = name
	end
end

local function result_member(tool, line)
	local name, rest = line:match("^([%w_]+)%s+(.*)$")
	local out = tool.outputSchema or { type = "object", properties = {}, required = json.array() }
	out.properties[name] = parse_type(rest)
	out.required[#out.required + 1] = name
	tool.outputSchema = out
end

local function annotations(flags)
	if flags:find("bare") then return nil end
	local readonly = flags:find("readonly") ~= nil
	return { readOnlyHint = readonly, destructiveHint = not readonly and flags:find("destructive") ~= nil,
		idempotentHint = flags:find("idempotent") ~= nil or nil }
end

function schema(text)
	local tools, tool = {}, nil
	for line in text:gmatch("[^\n]+") do
		local name, flags = line:match("^([%w_%-]+)%s*([%a ]*)$")
		if line:sub(1, 2) == "| " then
			tool.description = (tool.description and tool.description .. "\n" or "") .. line:sub(3)
		elseif line:sub(1, 3) == "-> " then
			result_member(tool, line:sub(4))
		elseif line:find(":") then
			parameter(tool, line)
		elseif name then
			tool = { name = name, annotations = annotations(flags),
				inputSchema = { ["$schema"] = DRAFT, type = "object", properties = {}, additionalProperties = false } }
			tools[#tools + 1] = tool
		else
			error("cannot read: " .. line)
		end
	end
	return tools
end
return schema
