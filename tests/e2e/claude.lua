-- SPDX-License-Identifier: Apache-2.0
--
-- The real Claude Code binary through the gateway: models, tools, Code Mode, audit and usage.
--
--   make e2e                         installs Claude Code into build/e2e and runs this
--   CLAUDE=/path/to/claude           the binary to run
--
-- Everything runs in a network namespace that has 127.0.0.1 and nothing else.  The model is the
-- rig's fake provider with a script of replies, the tool server is build/demo-server.

local CLAUDE = os.getenv("CLAUDE") or error("CLAUDE names no binary: make e2e")
local B = os.getenv("B") or "build"
local DEMO = (B:sub(1, 1) == "/" and "" or os.getenv("PWD") .. "/") .. B .. "/demo-server"
local office = dofile("bench/codemode/office.lua")
if not rig.alone then rig.alone = assert(sys.loopback_only()) end

local POLICY = [[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        payments:
          users:
            ana: {}
policy: readers
owner: "#tools"
applies_to: { teams: [payments] }
rules:
  - allow: notes/*
  - deny: notes/create_note
    reason: "notes are written by hand"
  - deny: notes/delete_note
    reason: "notes are kept"
  - allow: "model:*"
  - allow: code:run
]]
local SEEN = { "mcp__tollgate__lua", "mcp__tollgate__notes__get_note", "mcp__tollgate__notes__get_order",
	"mcp__tollgate__notes__list_orders", "mcp__tollgate__notes__search_notes", "mcp__tollgate__tools" }

local function text(s) return { type = "text", text = s } end
local function use(id, name, input)
	return { type = "tool_use", id = id, name = "mcp__tollgate__" .. name, input = input }
end

-- The tool results that a model request carries: their text by tool-use id, and how many.
local function results_of(r)
	local by_id, n = {}, 0
	for _, m in ipairs(r.json.messages) do
		for _, b in ipairs(type(m.content) == "table" and m.content or {}) do
			if b.type == "tool_result" then by_id[b.tool_use_id], n = json.encode(b.content), n + 1 end
		end
	end
	return by_id, n
end

-- A provider that answers a request which carries n tool results with the script's (n + 1)th reply,
-- each at a usage of its own.
local function scripted(script, options)
	local o = options or {}
	function o.on(r)
		local _, n = results_of(r)
		local reply = { content = script[n + 1] or { text("there is no more") }, usage = { input_tokens = 100 + 7 * n,
			output_tokens = 11 + n, cache_creation_input_tokens = 1500, cache_read_input_tokens = 3 * n } }
		if o.before then for k, v in pairs(o.before(r, n) or {}) do reply[k] = v end end
		return reply
	end
	return provider(o)
end

local function tollgate(up)
	local gw = gateway { providers = { anthropic = up }, policies = { ["root/all.yaml"] = POLICY },
		yaml = string.format("pin: off\nservers:\n  notes: { command: [%q] }\n", DEMO) }
	local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
	gw:wait_tools(key, #SEEN)
	return gw, key
end

-- Starts the binary in the test's folder, which is its home too.
local function start(argv, env)
	local e = { CLAUDE = CLAUDE, TMPDIR = rig.scratch(), TERM = "dumb", LANG = "C.UTF-8", SHELL = "/bin/sh",
		CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1", DISABLE_TELEMETRY = "1", DISABLE_AUTOUPDATER = "1",
		DISABLE_ERROR_REPORTING = "1", DO_NOT_TRACK = "1", CLAUDE_CODE_MAX_RETRIES = "4" }
	for k, v in pairs(env) do e[k] = v end
	local p = process(argv, e, rig.scratch())
	rig.evidence[#rig.evidence + 1] = function() return "Claude Code said: " .. p.err .. p.out:sub(-4000) end
	return p
end

-- One print-mode session on its way.
local function prompt(env, words, ...)
	return start({ CLAUDE, "-p", words or "Read my first note and add up five orders.", "--model", "claude-sonnet-4-6",
		"--output-format", "stream-json", "--include-partial-messages", "--verbose", "--allowedTools",
		"mcp__tollgate", ... }, env)
end

-- The same, told by flags and variables how to reach the gateway.
local function claude(gw, key, env, words)
	local servers = rig.scratch() .. "/mcp.json"
	sys.write_file(servers, json.encode { mcpServers = { tollgate = { type = "http",
		url = "http://127.0.0.1:" .. gw.port .. "/mcp", headers = { Authorization = "Bearer " .. key.key } } } })
	local e = { ANTHROPIC_BASE_URL = "http://127.0.0.1:" .. gw.port .. "/anthropic", ANTHROPIC_AUTH_TOKEN = key.key }
	for k, v in pairs(env or {}) do e[k] = v end
	return prompt(e, words, "--strict-mcp-config", "--mcp-config", servers)
end

-- Its last line, once it has ended well.
local function ended_well(p)
	expect(p:wait(60000), "exit code"):is(0)
	local last
	for line in p.out:gmatch("[^\n]+") do last = json.try(line) or last end
	expect(last):has { type = "result", subtype = "success", is_error = false }
	return last
end

local function proc_file(path)
	local f <close> = io.open("/proc/" .. path)
	return f and f:read("a") or ""
end

-- The process id of the gateway's demo server; nil while there is none.
local function demo_of(gw)
	for pid in proc_file(gw.pid .. "/task/" .. gw.pid .. "/children"):gmatch("%d+") do
		if proc_file(pid .. "/comm") == "demo-server\n" then return math.tointeger(tonumber(pid)) end
	end
end

-- The next start takes the port of this one: a client finds it where it was.
local function listen_again(gw)
	local f <close> = assert(io.open(gw.config))
	local yaml = f:read("a"):gsub("127%.0%.0%.1:0", "127.0.0.1:" .. gw.port)
	sys.write_file(gw.config, yaml)
end

local function tool_names(r)
	local names = {}
	for _, t in ipairs(r.json.tools) do
		if t.name:find("^mcp__") then names[#names + 1] = t.name end
	end
	table.sort(names)
	return names
end

-- A model that writes a task's script as soon as it has been told the signature of every tool in it: by the
-- description of `lua` as it came through the client, or by a search.
local function able(data, task)
	return function(r)
		local by_id, n = results_of(r)
		local told = json.encode(r.json.tools) .. (by_id.toolu_find or "")
		local knows = true
		for _, name in ipairs(task.needs) do knows = knows and told:find(name .. "{", 1, true) ~= nil end
		local content = by_id.toolu_lua and { text("FINAL: " .. task.says) } or
			knows and { use("toolu_lua", "lua", { code = office.script(data, task) }) } or
			{ use("toolu_find", "tools", { query = table.concat(task.needs, "; "):gsub("[._]", " ") }) }
		return { content = content, usage = { input_tokens = 100 + n, output_tokens = 10 } }
	end
end

-- One session that does a task; what its model was asked, in order.
local function does(gw, up, data, key, task)
	local before = #up.requests
	up.options.on = able(data, task)
	local words = task.prompt:gsub("@WORK@", data .. "/desk"):gsub("@REPO@", data .. "/repo")
	expect(ended_well(claude(gw, key, {}, words)).result):is("FINAL: " .. task.says)
	local asked = table.move(up.requests, before + 1, #up.requests, 1, {})
	for _, r in ipairs(asked) do expect(tool_names(r)):same { "mcp__tollgate__lua", "mcp__tollgate__tools" } end
	return asked
end

local function description_of(list, name)
	for _, t in ipairs(list) do if t.name == name then return t.description end end
end

test "it streams, sees its key's tools and no others, calls one, runs a script, and all is accounted"
-- limit: 90 s
local FIVE = [[
local sum = 0
for _, o in ipairs(pmap({"o-1001", "o-1002", "o-1003", "o-1004", "o-1005"}, function(id) return notes.get_order{id = id} end)) do
	sum = sum + o.total_cents
end
return {total = sum}]]
local up = scripted({
	{ text("First the note."), use("toolu_note", "notes__get_note", { id = "n-1" }) },
	{ text("Now five orders at once."), use("toolu_lua", "lua", { code = FIVE }) },
	{ text("FINAL: both are done.") },
}, { before = function(_, n) return n == 0 and { hold_after = 4 } or {} end })
local gw, key = tollgate(up)
local p = claude(gw, key, { ENABLE_TOOL_SEARCH = "false" })

-- The provider has told half of the first sentence, and it is on the screen.
wait_for("half a sentence", function() return p.out:find('"text":"First t', 1, true) end)
expect(p.out):lacks("he note.")
up:release()
local last = ended_well(p)
expect(last.result):is("FINAL: both are done.")

-- What the model was told: the tools, and what they gave.
expect(#up.requests):is(3)
for _, r in ipairs(up.requests) do
	expect(r.json.stream):is(true)
	expect(tool_names(r)):same(SEEN)
	expect(r.body):lacks("delete_note")
	expect(r.raw):lacks(key.key)
end
local results = results_of(up.requests[3])
expect(results.toolu_note):has("Pasta night")
expect(results.toolu_lua):has("182180")
expect(results.toolu_lua):lacks("ordered_on")


-- One session, one tree: three model requests, what each asked for below it, a run's calls below it.
gw:stop()
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
local model = "  %d%d:%d%d:%d%d%.%d+ p_%w+ model claude%-sonnet%-4%-6 ok 0%.%d+ USD\n"
local function tool(depth, name, id)
	return string.rep("  ", depth) .. "%d%d:%d%d:%d%d%.%d+ p_%w+ " .. name .. " ok %(" .. id .. "%)\n"
end
local tree = "^session [%x-]+\n" .. model .. tool(2, "tool notes/get_note", "toolu_note") ..
	model .. tool(2, "run run", "toolu_lua") .. tool(3, "tool notes/get_order", "toolu_lua"):rep(5) .. model .. "$"
local asked = 0
for _, row in ipairs(gw:audit()) do
	if row.kind ~= "admin" then -- any row of the session, or of its calls, shows the same tree
		asked = asked + 1
		expect(gw:ok({ "audit", "show", row.id }).out, row.kind .. " " .. row.name):matches(tree)
	end
end
expect(asked):is(3 + 1 + 1 + 5)

-- The ledger is what the provider counted, and its price.
local said, row = up.usage, gw:ok({ "usage", "--by", "user", "--json" }).json
row = row[1] or row
expect(row):has { name = "ana", requests = said.requests, calls = 6, runs = 1, refused = 0,
	input_tokens = said.input_tokens, output_tokens = said.output_tokens,
	cache_write_tokens = 3 * 1500, cache_read_tokens = 3 * (0 + 1 + 2) }
expect(row.cost_nusd):is(row.input_tokens * 3000 + row.output_tokens * 15000 + 4500 * 3750 + 9 * 300)

test "with tool search, only the tools of Code Mode are in the first request, the others are found by name"
-- limit: 90 s
local up = scripted {
	{ { type = "tool_use", id = "toolu_find", name = "ToolSearch",
		input = { query = "select:mcp__tollgate__notes__get_note", max_results = 5 } } },
	{ use("toolu_note", "notes__get_note", { id = "n-1" }) },
	{ text("FINAL: found and read.") },
}
local gw, key = tollgate(up)
expect(ended_well(claude(gw, key)).result):is("FINAL: found and read.")
expect(tool_names(up.requests[1])):same { "mcp__tollgate__lua", "mcp__tollgate__tools" }
expect(up.requests[1].body):has("mcp__tollgate__notes__get_note")
for _, r in ipairs(up.requests) do expect(r.body):lacks("delete_note") end
expect(tool_names(up.requests[2])):same { "mcp__tollgate__lua", "mcp__tollgate__notes__get_note", "mcp__tollgate__tools" }
expect(results_of(up.requests[3]).toolu_note):has("Pasta night")

test "a tool server that dies between two calls is started again, and the session goes on"
-- limit: 90 s
local up, gw, key
up = scripted({
	{ use("toolu_1", "notes__get_note", { id = "n-1" }) },
	{ use("toolu_2", "notes__get_note", { id = "n-2" }) },
	{ text("FINAL: both notes.") },
}, { before = function(_, n) return n == 1 and { hold_after = 0 } or {} end })
gw, key = tollgate(up)
local p = claude(gw, key, { ENABLE_TOOL_SEARCH = "false" })
up:wait(2)
local old = demo_of(gw)
sys.kill(old, 9)
wait_for("another demo server", function() local new = demo_of(gw) return new and new ~= old end)
up:release()
expect(ended_well(p).result):is("FINAL: both notes.")
expect(results_of(up.requests[3]).toolu_2):has("Sourdough")

test "a gateway that is killed in the middle of a reply and started again ends no session"
-- limit: 90 s
local first = true
local up = scripted({
	{ use("toolu_1", "notes__get_note", { id = "n-1" }) },
	{ text("A reply that is cut, and told again."), use("toolu_2", "lua", { code = "return notes.get_note{id = 'n-2'}.title" }) },
	{ text("FINAL: nothing was lost.") },
}, { before = function(_, n)
	local cut = n == 1 and first
	first = first and not cut
	return cut and { hold_after = 3 } or {}
end })
local gw, key = tollgate(up)
local p = claude(gw, key, { ENABLE_TOOL_SEARCH = "false" })
up:wait(2)
wait_for("the reply's beginning", function() return up.events >= 3 end)
gw:kill9()
listen_again(gw)
gw:start()
up:release()
expect(ended_well(p).result):is("FINAL: nothing was lost.")
expect(results_of(up.requests[#up.requests]).toolu_2):has("Sourdough")
gw:stop()
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
local ends = {}
for _, row in ipairs(gw:audit()) do if row.kind == "model" then ends[#ends + 1] = row["end"] end end
expect(#ends):is(#up.requests)
expect(ends):has("crashed")

test "a key that is disabled in the middle of a reply stops the agent at its next request, with the reason"
-- limit: 90 s
local up = scripted({ { text("Never whole.") } }, { before = function() return { hold_after = 3 } end })
local gw, key = tollgate(up)
local p = claude(gw, key)
up:wait(1)
wait_for("the reply's beginning", function() return up.events >= 3 end)
gw:ok { "key", "disable", key.id }
expect(p:wait(60000), "exit code"):is(1)
expect(p.out):matches("API Error: 401 [^\"]*disabled")
expect(#up.requests, "the provider was asked once"):is(1)

test "what connect claude-code prints connects it when it is pasted, the key in a variable"
-- limit: 90 s
local up = scripted { { use("toolu_1", "notes__get_note", { id = "n-1" }) }, { text("FINAL: connected.") } }
local gw, key = tollgate(up)
local env = { TOLLGATE_KEY = key.key, ENABLE_TOOL_SEARCH = "false" }
local command, settings = gw:ok({ "connect", "claude-code" }).out:match("^(claude [^\n]+)\n(%b{})\n$")
sys.mkdir(rig.scratch() .. "/.claude")
sys.write_file(rig.scratch() .. "/.claude/settings.json", settings)
local add = start({ "/bin/sh", "-c", 'claude() { "$CLAUDE" "$@"; }\n' .. command }, env)
expect(add:wait(60000), "claude mcp add"):is(0)
expect(ended_well(prompt(env)).result):is("FINAL: connected.")
expect(results_of(up.requests[2]).toolu_1):has("Pasta night")

test "a call that the agent gives up is cancelled at its server, and the session goes on"
-- limit: 90 s
local slow = mcp_server "slow" { tools = { { name = "wait", hang = true }, "quick" } }
local up = scripted { { use("toolu_1", "slow__wait", {}) }, { use("toolu_2", "slow__quick", {}) }, { text("FINAL: one of two.") } }
local gw = gateway { providers = { anthropic = up }, servers = { slow = slow }, policies = rules("allow: slow/*", 'allow: "model:*"') }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(key, 2)
local p = claude(gw, key, { ENABLE_TOOL_SEARCH = "false", MCP_TOOL_TIMEOUT = "2000" })
slow:wait_aborted(1)
expect(ended_well(p).result):is("FINAL: one of two.")
expect(results_of(up.requests[3]).toolu_2):has("quick done")
local ends = {}
for _, row in ipairs(gw:audit()) do ends[row.name] = row["end"] end
expect(ends["slow/wait"]):is("cancelled")

test "over 290 tools a new team's task takes three model requests, one whose tools are in lua's description takes two"
-- limit: 150 s
local up = provider { on = function() return { content = { text("not yet") } } end }
local gw, data = office.open { providers = { anthropic = up } }
local fresh, settled = office.key(gw, "fresh"), office.key(gw, "settled")
gw:wait_tools(fresh, 292)
local M1, hand = office.tasks[3], gw:mcp(settled)
expect(M1.id):is("M1")
expect(#does(gw, up, data, fresh, M1)):is(3)
office.check_effect(hand, data, M1)

-- The other team has done all of them before.
for _, task in ipairs(office.tasks) do
	office.run(hand, data, task)
	office.check_effect(hand, data, task)
end
local again = office.key(gw, "settled")
local asked = does(gw, up, data, again, M1)
expect(#asked):is(2)
office.check_effect(hand, data, M1)
-- Nothing of what the gateway lists was cut on the way to the model.
for _, t in ipairs(gw:mcp(again):definitions()) do
	if t.name == "lua" or t.name == "tools" then
		expect(description_of(asked[1].json.tools, "mcp__tollgate__" .. t.name), t.name):is(t.description)
	end
end
