-- SPDX-License-Identifier: Apache-2.0
-- What scripts find beside servers is listed twice: the worker defines it, mcp/fold.c keeps servers from its names.
-- A global that is only in one of the two would hide a server, or rename one for nothing.

-- Reserved though no script finds them: words that are taken for something, and names that are to come.
local KEPT = { blob = true, none = true, prompts = true, resources = true, self = true, snippets = true, values = true, warn = true,
	-- the environment itself, and what comes only to scripts that name it
	_G = true, _ENV = true, S = true }
local KEYWORDS = {}
for w in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch("%a+") do
	KEYWORDS[w] = true
end

local function words(text, pattern)
	local out = {}
	for w in text:gmatch(pattern) do out[w] = true end
	return out
end

local function sorted(set)
	local out = {}
	for k in pairs(set) do out[#out + 1] = k end
	table.sort(out)
	return out
end

test "a server is never called as what scripts have already, and as nothing else is it called otherwise"
local up = mcp_server "unpack" { tools = { "one" } }
local gw = gateway { servers = { unpack = up }, policies = rules("allow: any/*", "allow: code:run") }
local key = gw:dev()
gw:wait_tools(key, 3)
local function run(code) return json.decode(gw:mcp(key):call("lua", { code = code }).content[1].text) end

local reserved = words(read_file("mcp/fold.c"), '"([%a_][%w_]*)"')
local candidates = words(read_file("sandbox/worker/library.lua") .. read_file("sandbox/worker/environment.c"), "[%a_][%w_]*")
for w in pairs(reserved) do candidates[w] = true end
for w in pairs(KEYWORDS) do candidates[w] = nil end
local found = words(table.concat(run("return keys(_ENV)"), " "), "%S+")
-- Names of other languages do not stand there, but are answered: asked for one by one.
for _, w in ipairs(run("local out = array{} for _, w in ipairs(split[[" .. table.concat(sorted(candidates), " ") .. "]]) do "
	.. "if pcall(function() return _ENV[w] end) then out[#out + 1] = w end end return json.encode(out)")) do
	found[w] = true
end
expect(found.map and found.JSON and found.undefined and true, "what there is was found"):is(true)
found.unpack_ = nil -- the server
local hidden, idle = {}, {}
for w in pairs(found) do if not reserved[w] then hidden[w] = true end end
for w in pairs(reserved) do if not found[w] and not KEYWORDS[w] and not KEPT[w] then idle[w] = true end end
expect(table.concat(sorted(hidden), " "), "globals that mcp/fold.c does not know"):is ""
expect(table.concat(sorted(idle), " "), "names in mcp/fold.c that scripts do not have"):is ""
