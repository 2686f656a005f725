-- SPDX-License-Identifier: Apache-2.0
--
-- The real Codex CLI and Gemini CLI with the gateway as their tool hub: they see their key's tools,
-- call them, and go on after the tool server, and after the gateway, was killed between two calls.
-- With what `tollgate connect` prints they reach their models through the gateway too.
--
--   make e2e                               installs both into build/e2e and runs this
--   CODEX=/path/to/codex GEMINI="node /path/to/gemini.js"   what to run
--
-- Everything runs in a network namespace that has 127.0.0.1 and nothing else.  The models are the rig's
-- (rig_models.lua), mostly reached directly; the tool server is build/demo-server.

local CODEX = os.getenv("CODEX") or error("CODEX names no binary: make e2e")
local GEMINI = os.getenv("GEMINI") or error("GEMINI names no command: make e2e")
local B = os.getenv("B") or "build"
local DEMO = (B:sub(1, 1) == "/" and "" or os.getenv("PWD") .. "/") .. B .. "/demo-server"
if not rig.alone then rig.alone = assert(sys.loopback_only()) end

local POLICY = rules("allow: notes/*", "deny: notes/create_note\n    reason: by hand", "deny: notes/delete_note\n    reason: kept")
local SEEN = { "get_note", "get_order", "list_orders", "search_notes" }

local function hub()
	local gw = gateway { policies = POLICY, yaml = string.format("pin: off\nservers:\n  notes: { command: [%q] }\n", DEMO) }
	local key = gw:dev()
	gw:wait_tools(key, #SEEN)
	return gw, key.key or key
end

-- Starts a command in the test's folder, which is its home too.
local function start(argv, env)
	local e = { TMPDIR = rig.scratch(), TERM = "dumb", LANG = "C.UTF-8", SHELL = "/bin/sh", USER = "rig", DO_NOT_TRACK = "1" }
	for k, v in pairs(env) do e[k] = v end
	local p = process(argv, e, rig.scratch())
	rig.evidence[#rig.evidence + 1] = function() return "the agent said: " .. p.err:sub(-2000) .. p.out:sub(-3000) end
	return p
end

local function codex(gw, key, model)
	local home = rig.scratch() .. "/.codex"
	sys.mkdir(home)
	sys.write_file(home .. "/config.toml", string.format([[
model = "gpt-5.5"
model_provider = "rig"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.rig]
name = "rig"
base_url = "%s/v1"
env_key = "TOLLGATE_KEY"
wire_api = "responses"
[mcp_servers.gate]
url = "http://127.0.0.1:%d/mcp"
bearer_token_env_var = "TOLLGATE_KEY"
tool_timeout_sec = %d
]], model.url, gw.port, model.options.patience or 60))
	return start({ CODEX, "exec", "--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox",
		"Read my notes." }, { CODEX_HOME = home, TOLLGATE_KEY = key })
end

local function gemini(gw, key, model)
	local home = rig.scratch() .. "/.gemini"
	sys.mkdir(home)
	sys.write_file(home .. "/settings.json", json.encode {
		security = { auth = { selectedType = "gemini-api-key" }, folderTrust = { enabled = false } },
		privacy = { usageStatisticsEnabled = false }, telemetry = { enabled = false },
		general = { enableAutoUpdate = false, disableAutoUpdate = true, disableUpdateNag = true },
		mcpServers = { gate = { httpUrl = "http://127.0.0.1:" .. gw.port .. "/mcp", trust = true,
			timeout = (model.options.patience or 60) * 1000,
			headers = { Authorization = "Bearer " .. key } } } })
	local argv = {}
	for word in GEMINI:gmatch("%S+") do argv[#argv + 1] = word end
	for _, word in ipairs { "-p", "Read my notes.", "-y", "--output-format", "stream-json" } do argv[#argv + 1] = word end
	return start(argv, { GEMINI_API_KEY = key, GOOGLE_GEMINI_BASE_URL = model.url, PATH = os.getenv("PATH") })
end

-- A gateway before both the model and the tools; the client's settings are what connect prints.
local function whole(kind, id, model)
	local gw = gateway { providers = { [kind] = model },
		policies = rules("allow: notes/*", 'allow: "model:*"'),
		yaml = string.format("servers:\n  notes: { command: [%q] }\nmodels:\n  %q: { provider: %s }\n", DEMO, id, kind),
		prices = string.format("version: 1\ndate: 2026-11-01\nmodels:\n  %s: { input: 1, output: 10, max_output: 1000 }\n",
			id:gsub("[*-]+$", "")) }
	local key = gw:dev()
	gw:wait_tools(key, 3)
	return gw, key.key or key
end

-- Every turn was governed, charged as the model said, and names the call that the hub then saw.
local function governed(gw)
	local used, calls, cost = {}, 0, 0
	for _, row in ipairs(gw:audit()) do
		if row.kind == "model" then
			expect(row.verdict):is("ok")
			cost = cost + row.cost_nusd
			for id in (row.tool_uses or ""):gmatch("%S+") do used[id] = true end
		elseif row.kind == "tool" then
			calls = calls + 1
		end
	end
	expect(calls):is(1)
	return used, cost
end

local function proc_file(path)
	local f <close> = io.open("/proc/" .. path)
	return f and f:read("a") or ""
end

local function demo_of(gw)
	for pid in proc_file(gw.pid .. "/task/" .. gw.pid .. "/children"):gmatch("%d+") do
		if proc_file(pid .. "/comm") == "demo-server\n" then return math.tointeger(tonumber(pid)) end
	end
end

-- Two calls and a last word; what happens between the two is the test's.
local function session(agent, make_model, prefix, between)
	local gw, key = hub()
	local model = make_model({
		{ tool = prefix .. "notes__get_note", input = { id = "n-1" } },
		{ tool = prefix .. "notes__get_note", input = { id = "n-2" } },
		{ text = "FINAL: both notes." },
	}, { before = function(n) if n == 1 and between then between(gw) end end })
	local p = agent(gw, key, model)
	expect(p:wait(60000), "exit code"):is(0)
	expect(p.out):has("FINAL: both notes.")
	expect(#model.results):is(2)
	expect(model.results[1]):has("Pasta night")
	expect(model.results[2]):has("Sourdough")
	for _, r in ipairs(model.requests) do expect(r.body):lacks("delete_note") end
	local calls = 0
	for _, row in ipairs(gw:audit()) do
		if row.name == "notes/get_note" then
			calls = calls + 1
			expect(row.verdict):is("ok")
		end
	end
	expect(calls):is(2)
	return gw, model
end

-- A call that the agent gives up: the server is told, and the session goes on.
local function given_up(agent, make_model, prefix)
	local up = mcp_server "slow" { tools = { { name = "wait", hang = true }, "quick" } }
	local gw = gateway { servers = { slow = up }, policies = rules("allow: slow/*") }
	local key = gw:dev()
	gw:wait_tools(key, 2)
	local model = make_model({
		{ tool = prefix .. "slow__wait", input = { x = 1 } },
		{ tool = prefix .. "slow__quick", input = { x = 1 } },
		{ text = "FINAL: one of two." },
	}, { patience = 2 })
	local p = agent(gw, key.key or key, model)
	up:wait_aborted(1)
	expect(p:wait(60000), "exit code"):is(0)
	expect(p.out):has("FINAL: one of two.")
	expect(model.results[2]):has("quick done")
	local ends = {}
	for _, row in ipairs(gw:audit()) do ends[row.name] = row["end"] end
	expect(ends["slow/wait"]):is("cancelled")
	expect(ends["slow/quick"]):is("ok")
end

local function server_killed(gw)
	local old = demo_of(gw)
	sys.kill(old, 9)
	wait_for("another demo server", function() local new = demo_of(gw) return new and new ~= old end)
end

-- Killed, and started again at the same port.
local function gateway_killed(gw)
	gw:kill9()
	local f <close> = assert(io.open(gw.config))
	local yaml = f:read("a"):gsub("127%.0%.0%.1:0", "127.0.0.1:" .. gw.port)
	sys.write_file(gw.config, yaml)
	gw:start()
end

test "Codex lists, calls, and sees its key's tools only"
-- limit: 90 s
session(codex, responses_model, "")

test "Codex goes on after its tool server died"
-- limit: 90 s
session(codex, responses_model, "", server_killed)

test "Codex goes on after the gateway was killed"
-- limit: 90 s
session(codex, responses_model, "", gateway_killed)

test "Codex gives up a call, and nothing else ends"
-- limit: 90 s
given_up(codex, responses_model, "")

test "Gemini lists, calls, and sees its key's tools only"
-- limit: 90 s
session(gemini, gemini_model, "mcp_gate_")

test "Gemini goes on after its tool server died"
-- limit: 90 s
session(gemini, gemini_model, "mcp_gate_", server_killed)

test "Gemini goes on after the gateway was killed"
-- limit: 90 s
session(gemini, gemini_model, "mcp_gate_", gateway_killed)

test "Gemini gives up a call, and nothing else ends"
-- limit: 90 s
given_up(gemini, gemini_model, "mcp_gate_")

test "Codex reaches model and tools through the gateway, with what connect prints"
-- limit: 90 s
local model = responses_model({ { tool = "notes__get_note", input = { id = "n-1" } }, { text = "FINAL: a note." } }, { kind = "openai" })
local gw, key = whole("openai", "gpt-5.5", model)
local home = rig.scratch() .. "/.codex"
sys.mkdir(home)
sys.write_file(home .. "/config.toml", 'model = "gpt-5.5"\ncheck_for_update_on_startup = false\n' ..
	gw:ok({ "connect", "codex" }).out .. "[analytics]\nenabled = false\n")
local p = start({ CODEX, "exec", "--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox",
	"Read my notes." }, { CODEX_HOME = home, TOLLGATE_KEY = key })
expect(p:wait(60000), "exit code"):is(0)
expect(p.out):has("FINAL: a note.")
expect(model.results[1]):has("Pasta night")
for _, r in ipairs(model.requests) do
	expect(r.headers.authorization):is("Bearer sk-rig-upstream")
	expect(r.body):lacks(key)
end
local used, cost = governed(gw)
local called = {} -- Codex may search its tools first: that is a use too, and no call
for id in pairs(used) do called[#called + 1] = id:match("^call_%d+$") end
expect(#called):is(1)
expect(cost):is(#model.requests * (10 * 1000 + 5 * 10000))

test "Codex stops at once where its model is not allowed, and says why"
-- limit: 90 s
local model = responses_model({ { text = "never" } }, { kind = "openai" })
local gw = gateway { providers = { openai = model }, yaml = "models:\n  gpt-5.5: { provider: openai }\n",
	policies = rules("deny: model:gpt-5.5\n    reason: Ask finance") }
local home = rig.scratch() .. "/.codex"
sys.mkdir(home)
sys.write_file(home .. "/config.toml", 'model = "gpt-5.5"\ncheck_for_update_on_startup = false\n' ..
	gw:ok({ "connect", "codex" }).out .. "[analytics]\nenabled = false\n")
local p = start({ CODEX, "exec", "--skip-git-repo-check", "--json", "Hello." }, { CODEX_HOME = home, TOLLGATE_KEY = gw:dev().key })
expect(p:wait(60000)):above(0)
expect(p.out):has("Ask finance")
expect(#model.requests):is(0)
local refused = 0
for _, row in ipairs(gw:audit()) do
	if row.kind == "model" then refused = refused + 1 end
end
expect(refused):is(1)

test "Gemini reaches model and tools through the gateway, with what connect prints"
-- limit: 90 s
local model = gemini_model({ { tool = "mcp_tollgate_notes__get_note", input = { id = "n-1" } }, { text = "FINAL: a note." } },
	{ kind = "genai" })
local gw, key = whole("genai", "gemini-*", model)
local home = rig.scratch() .. "/.gemini"
sys.mkdir(home)
local line, text = gw:ok({ "connect", "gemini" }).out:match("^(export [^\n]+)\n(.*)$")
local settings = json.decode(text)
settings.security.folderTrust = { enabled = false }
settings.privacy, settings.telemetry = { usageStatisticsEnabled = false }, { enabled = false }
settings.general = { enableAutoUpdate = false, disableAutoUpdate = true, disableUpdateNag = true }
settings.mcpServers.tollgate.trust = true
sys.write_file(home .. "/settings.json", json.encode(settings))
local p = start({ "/bin/sh", "-c", line .. "; exec " .. GEMINI .. " -p 'Read my notes.' -y --output-format stream-json" },
	{ TOLLGATE_KEY = key, PATH = os.getenv("PATH") })
expect(p:wait(60000), "exit code"):is(0)
expect(p.out):has("FINAL: a note.")
expect(model.results[1]):has("Pasta night")
for _, r in ipairs(model.requests) do expect(r.headers["x-goog-api-key"]):is("sk-rig-upstream") end
local _, cost = governed(gw)
expect(cost):is(#model.requests * (10 * 1000 + 5 * 10000))
