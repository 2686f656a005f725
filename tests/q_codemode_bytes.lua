-- SPDX-License-Identifier: Apache-2.0
-- What Code Mode puts into a conversation, in bytes: nine tasks over twenty servers with 290 tools, each
-- answered by the real gateway and its answer compared.  bench/codemode/README.md tells of the tasks; tokens
-- are counted there, here nothing may grow by more than two in a hundred.
--
--   UPDATE=1 sh tests/run.sh q_codemode      writes the figures of this run to bench/codemode/expected.json

local HERE = os.getenv("PWD")
local BENCH, FAKE = HERE .. "/bench/codemode", HERE .. "/build/codemode/fake"
local TASKS = json.decode(read_file(BENCH .. "/tasks/tasks.json"))
local MAY_GROW = 1.02

local TWO_TEAMS = [[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        fresh: { users: { ana: {} } }
        settled: { users: { ben: {} } }
policy: everything
owner: "#bench"
applies_to: { customers: [acme] }
rules:
  - allow: any/*
  - allow: code:run
]]

-- Runs one of the bench's programs; its output.
local function fake(...)
	local p = process({ FAKE, ... }, {}, HERE)
	expect(p:wait(), p.err):is(0)
	return p.out
end

-- A gateway in front of all the fakes, the data fresh, and both teams' keys.
local function office()
	local data = rig.scratch() .. "/office"
	sys.mkdir(data)
	fake(BENCH .. "/seed.lua", data)
	local rows = {}
	for name in fake(BENCH .. "/fakes.lua", "--list"):gmatch("[^\n]+") do
		rows[#rows + 1] = string.format("  %s: { command: [%q, %q, %s, %q] }", name, FAKE, BENCH .. "/fakes.lua", name, data)
	end
	expect(#rows):is(20)
	local gw = gateway { policies = { ["root/all.yaml"] = TWO_TEAMS }, yaml = "pin: off\nservers:\n" .. table.concat(rows, "\n") .. "\n" }
	local fresh = gw:key { name = "fresh", customer = "acme", team = "fresh", user = "ana" }
	local settled = gw:key { name = "settled", customer = "acme", team = "settled", user = "ben" }
	return gw, data, fresh, settled
end

-- Lengths do not depend on where the data stand.
local function neutral(data, text) return (text:gsub(data:gsub("%p", "%%%0"), "/srv/office")) end

local function script(data, task)
	local text = read_file(BENCH .. "/tasks/" .. task.id .. ".lua"):gsub("@WORK@", data .. "/work"):gsub("@REPO@", data .. "/repo")
	return (text:gsub("\n$", ""))
end

-- As a client puts a definition into a request.
local function definition(t) return json.encode { name = t.name, description = t.description, input_schema = t.inputSchema } end

local function meta_tools(gw, key)
	local found = {}
	for _, t in ipairs(gw:mcp(key):definitions()) do
		if t.name == "lua" or t.name == "tools" then found[t.name] = t end
	end
	return found.lua, found.tools
end

local function text_of(r)
	expect(r.error):is(nil)
	local out = {}
	for i, block in ipairs(r.content) do out[i] = block.text end
	return table.concat(out, "\n")
end

local function run(mcp, data, task)
	local r = mcp:rpc("tools/call", { name = "lua", arguments = { code = script(data, task) }, _meta = { ["tollgate/report"] = true } })
	expect(r.isError, task.id .. ": " .. text_of(r)):is(false)
	expect(r._meta["tollgate/report"].value, task.id):same(task.answer)
	return text_of(r)
end

-- What the task has left behind; and back to how it was.
local function check_effect(mcp, data, task)
	local e = task.effect
	if not e then return end
	if e.file then
		local path = data .. "/work/" .. e.file
		local text = read_file(path) or ""
		expect(select(2, text:gsub("\n", "\n")), task.id .. " lines"):is(e.lines)
		for _, part in ipairs(e.has) do expect(text, task.id):has(part) end
		os.remove(path)
	elseif e.sql then
		expect(json.decode(text_of(mcp:call("sqlite__query", { sql = e.sql }))), task.id):same(e.rows)
		mcp:call("sqlite__query", { sql = "DROP TABLE discrepancies" })
	else
		local names, observations = json.array(), 0
		for _, n in ipairs(json.decode(text_of(mcp:call("memory__read_graph"))).entities) do
			names[#names + 1], observations = n.name, observations + #n.observations
		end
		expect(#names, task.id .. " entities"):is(e.entities)
		expect(observations, task.id .. " observations"):is(e.observations)
		mcp:call("memory__delete_entities", { entityNames = names })
	end
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
		return sys.write_file(BENCH .. "/expected.json", text .. "\n")
	end
	local expected = json.decode(read_file(BENCH .. "/expected.json"))
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
local gw, data, fresh, settled = office()
gw:wait_tools(settled, 292)
local lua, tools = meta_tools(gw, fresh)
expect(lua._meta["anthropic/alwaysLoad"]):is(true)
expect(tools._meta["anthropic/alwaysLoad"]):is(true)
local definitions = #definition(lua) + #definition(tools)
local seen = { definitions = { both = definitions, description = #lua.description }, search = {} }
local mcp, hand = gw:mcp(fresh), gw:mcp(settled)
for _, task in ipairs(TASKS) do
	local said = searched(mcp, data, task)
	said[#said + 1] = use("lua", { code = neutral(data, script(data, task)) }) + #neutral(data, run(mcp, data, task))
	check_effect(hand, data, task)
	seen.search[task.id] = input_bytes(definitions, said)
end
compare(seen)
