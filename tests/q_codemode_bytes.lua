-- SPDX-License-Identifier: Apache-2.0
-- What Code Mode puts into a conversation, in bytes: nine tasks over twenty servers with 290 tools, each
-- answered by the real gateway and its answer compared.  bench/codemode/README.md tells of the tasks; tokens
-- are counted there, here nothing may grow by more than two in a hundred.
--
--   UPDATE=1 sh tests/run.sh q_codemode      writes the figures of this run to bench/codemode/expected.json

local office = dofile("bench/codemode/office.lua")
local neutral, text_of = office.neutral, office.text_of
local MAY_GROW = 1.02

-- As a client puts a definition into a request.
local function definition(t) return json.encode { name = t.name, description = t.description, input_schema = t.inputSchema } end

local function meta_tools(gw, key)
	local found = {}
	for _, t in ipairs(gw:mcp(key):definitions()) do
		if t.name == "lua" or t.name == "tools" then found[t.name] = t end
	end
	return found.lua, found.tools
end

-- Input bytes of a conversation: every request carries the definitions and all that was said.
local function input_bytes(definitions, said)
	local sum, so_far = 0, definitions
	for _, n in ipairs(said) do
		so_far = so_far + n
		sum = sum + so_far
	end
	return sum
end

local function use(name, input) return #json.encode { name = name, input = input } end

-- Those that a search has not brought.
local function missing_of(found, names)
	local out = {}
	for _, name in ipairs(names) do
		if not ("\n" .. found):find("\n" .. name .. "{", 1, true) then out[#out + 1] = name end
	end
	return out
end

-- What a task says with one search, and a second one for what the first has not brought.
local function searched(mcp, data, task)
	local said = { #neutral(data, task.prompt) }
	local function search(queries)
		local found, n = {}, 0
		for i, query in ipairs(queries) do
			found[i] = text_of(mcp:call("tools", { query = query }))
			n = n + use("tools", { query = query }) + #found[i]
		end
		said[#said + 1] = n
		return table.concat(found, "\n")
	end
	local missing = missing_of(search { task.query }, task.needs)
	if #missing > 0 then expect(missing_of(search(missing), missing), task.id):same {} end
	return said
end

-- Nothing may have grown by more than it may; what has shrunk is worth an update.
local function compare(seen)
	if os.getenv("UPDATE") then
		local text = json.encode(seen):gsub('([{,])("%a%w*":)', "%1\n%2"):gsub("}", "\n}")
		return sys.write_file(office.expected, text .. "\n")
	end
	local expected = json.decode(read_file(office.expected))
	for group, figures in pairs(expected) do
		for name, n in pairs(figures) do
			local at = (seen[group] or {})[name]
			if not at then rig.fail(group .. " " .. name .. " is not there") end
			if at > n * MAY_GROW then
				rig.fail(string.format("%s %s is %d bytes, was %d: make it smaller, or say why it grew and run with UPDATE=1", group, name, at, n))
			end
		end
	end
end

test "nine tasks give the right answers, and cost a model no more bytes than they did"
-- limit: 100 s
local gw, data = office.open()
local fresh, settled = office.key(gw, "fresh"), office.key(gw, "settled")
gw:wait_tools(fresh, 292)
local lua, tools = meta_tools(gw, fresh)
expect(lua._meta["anthropic/alwaysLoad"]):is(true)
expect(tools._meta["anthropic/alwaysLoad"]):is(true)
local definitions = #definition(lua) + #definition(tools)
local seen = { definitions = { both = definitions, description = #lua.description }, search = {}, hot = {} }
local mcp, busy = gw:mcp(fresh), gw:mcp(settled)
for _, task in ipairs(office.tasks) do
	local said = searched(mcp, data, task)
	said[#said + 1] = use("lua", { code = neutral(data, office.script(data, task)) }) + #neutral(data, office.run(mcp, data, task))
	office.check_effect(mcp, data, task)
	seen.search[task.id] = input_bytes(definitions, said)
end

-- Without a search, by a team that has done them before: every signature stands in the description of `lua`.
for _, task in ipairs(office.tasks) do
	office.run(busy, data, task)
	office.check_effect(mcp, data, task)
end
lua, tools = meta_tools(gw, office.key(gw, "settled"))
expect(#lua.description <= 2048, "the description fits"):is(true)
definitions = #definition(lua) + #definition(tools)
for _, task in ipairs(office.tasks) do
	expect(missing_of(lua.description, task.needs), task.id):same {}
	local out = office.run(busy, data, task)
	office.check_effect(mcp, data, task)
	seen.hot[task.id] = input_bytes(definitions, { #neutral(data, task.prompt),
		use("lua", { code = neutral(data, office.script(data, task)) }) + #neutral(data, out) })
end
compare(seen)
