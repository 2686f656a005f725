-- SPDX-License-Identifier: Apache-2.0
--
-- office - the bundled servers and tasks for scenarios of the rig.
--
--   local office = dofile("bench/codemode/office.lua")
--   local gw, data = office.open { providers = {…} }     a gateway in front of all twenty, over fresh data
--   office.key(gw, "fresh" | "settled")                  a key of one of its two teams
--   office.tasks, office.script(data, task)              tasks/tasks.json, and our script of one
--   office.neutral(data, text)                           the text as it were if the data stood in /srv/office
--   office.run(mcp, data, task)                          runs it, compares the answer; the text that came back
--   office.check_effect(mcp, data, task)                 what it has left behind; and back to how it was
--   office.text_of(result)                               its text blocks
local HERE = os.getenv("PWD")
local BENCH, FAKE = HERE .. "/bench/codemode", HERE .. "/build/codemode/fake"
local office = { tasks = json.decode(read_file(BENCH .. "/tasks/tasks.json")), expected = BENCH .. "/expected.json" }

local POLICY = [[
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
  - allow: "model:*"
  - allow: code:run
]]
local USERS = { fresh = "ana", settled = "ben" }

-- Runs one of the bench's programs; its output.
local function fake(...)
	local p = process({ FAKE, ... }, {}, HERE)
	expect(p:wait(), p.err):is(0)
	return p.out
end

function office.open(options)
	local data, rows, o = rig.scratch() .. "/office", {}, options or {}
	sys.mkdir(data)
	fake(BENCH .. "/seed.lua", data)
	for name in fake(BENCH .. "/fakes.lua", "--list"):gmatch("[^\n]+") do
		rows[#rows + 1] = string.format("  %s: { command: [%q, %q, %s, %q] }\n", name, FAKE, BENCH .. "/fakes.lua", name, data)
	end
	expect(#rows):is(20)
	o.policies, o.yaml = { ["root/all.yaml"] = POLICY }, "pin: off\nservers:\n" .. table.concat(rows)
	return gateway(o), data
end

local made = 0
function office.key(gw, team)
	made = made + 1
	return gw:key { name = team .. "-" .. made, customer = "acme", team = team, user = USERS[team] }
end

function office.neutral(data, text) return (text:gsub(data:gsub("%p", "%%%0"), "/srv/office")) end

function office.script(data, task)
	local text = read_file(BENCH .. "/tasks/" .. task.id .. ".lua"):gsub("@WORK@", data .. "/desk"):gsub("@REPO@", data .. "/repo")
	return (text:gsub("\n$", ""))
end

function office.text_of(r)
	expect(r.error):is(nil)
	local out = {}
	for i, block in ipairs(r.content) do out[i] = block.text end
	return table.concat(out, "\n")
end

function office.run(mcp, data, task)
	local r = mcp:rpc("tools/call", { name = "lua", arguments = { code = office.script(data, task) }, _meta = { ["tollgate/report"] = true } })
	expect(r.isError, task.id .. ": " .. office.text_of(r)):is(false)
	expect(r._meta["tollgate/report"].value, task.id):same(task.answer)
	return office.text_of(r)
end

-- What the task has left behind; and back to how it was.
function office.check_effect(mcp, data, task)
	local e = task.effect
	if not e then return end
	if e.file then
		local path = data .. "/desk/" .. e.file
		local text = read_file(path) or ""
		expect(select(2, text:gsub("\n", "\n")), task.id .. " lines"):is(e.lines)
		for _, part in ipairs(e.has) do expect(text, task.id):has(part) end
		os.remove(path)
	elseif e.sql then
		expect(json.decode(office.text_of(mcp:call("sqlite__query", { sql = e.sql }))), task.id):same(e.rows)
		mcp:call("sqlite__query", { sql = "DROP TABLE discrepancies" })
	else
		local names, observations = json.array(), 0
		for _, n in ipairs(json.decode(office.text_of(mcp:call("memory__read_graph"))).entities) do
			names[#names + 1], observations = n.name, observations + #n.observations
		end
		expect(#names, task.id .. " entities"):is(e.entities)
		expect(observations, task.id .. " observations"):is(e.observations)
		mcp:call("memory__delete_entities", { entityNames = names })
	end
end

return office
