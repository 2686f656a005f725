-- SPDX-License-Identifier: Apache-2.0
-- `tollgate import`: other programs' configurations become a folder that a gateway starts from, and
-- no secret of theirs is in it.

local MCP = [[
{ "mcpServers": {
  "GitHub": { "type": "http", "url": "https://api.github.example/mcp/", "headers": { "Authorization": "Bearer hunter2-one" } },
  "notes": { "command": "%s", "env": { "DEBUG": "true" } },
  "keyed": { "command": "%s", "args": ["--page", "${PAGE}"], "env": { "NOTES_TOKEN": "lion-three" } },
  "other": { "command": "npx", "args": ["-y", "srv", "--api-key", "tiger-two", "--user=${OTHER_USER}"], "alwaysAllow": ["x"] } } }
]]

local LITELLM = [[
model_list:
  - model_name: sonnet
    litellm_params:
      model: anthropic/claude-sonnet-4-6
      api_key: sk-ant-bear-four
      api_base: %s
  - model_name: gpt
    litellm_params: { model: azure/gpt, api_key: os.environ/AZURE_API_KEY }
general_settings:
  master_key: sk-wolf-five
]]

local BIFROST = [[
{ "providers": { "anthropic": { "keys": [ { "name": "a", "value": "env.ANTHROPIC_API_KEY", "models": ["*"], "weight": 1 } ] } },
  "mcp": { "client_configs": [ { "name": "Files", "connection_type": "stdio", "stdio_config": { "command": "%s" }, "tools_to_execute": ["get_note"] } ] },
  "governance": {
    "customers": [ { "id": "c", "name": "acme" } ],
    "teams": [ { "id": "t", "name": "payments", "customer_id": "c" } ],
    "budgets": [ { "id": "b", "max_limit": 20.5, "reset_duration": "1M", "team_id": "t" } ],
    "virtual_keys": [ { "id": "v", "name": "ana", "value": "sk-bf-crow-six", "team_id": "t",
      "provider_configs": [ { "provider": "anthropic", "allowed_models": ["claude-sonnet-4-6"] } ],
      "mcp_configs": [ { "mcp_client_name": "Files", "tools_to_execute": ["*"] } ] } ] } }
]]

local SECRETS = { "hunter2", "tiger", "lion", "bear", "wolf", "crow" }
local DEMO = gateway { start = false }:binary():gsub("tollgate$", "demo-server")

-- A folder with the three sources, and the command run in it.
local function sources(up)
	local dir = rig.scratch()
	sys.write_file(dir .. "/.mcp.json", MCP:format(DEMO, DEMO))
	sys.write_file(dir .. "/config.yaml", LITELLM:format(up and up.url or "https://models.example"))
	sys.write_file(dir .. "/config.json", BIFROST:format(DEMO))
	local binary = gateway { start = false }:binary()
	return dir, function(argv, env)
		local p = process({ binary, table.unpack(argv) }, env or {}, dir)
		return { code = p:wait(), out = p.out, err = p.err }
	end
end

local function read(dir, path) return read_file(dir .. "/" .. path) or "" end

test "each kind of source becomes a folder that passes check, and nothing is overwritten"
local dir, run = sources()
for name, file in pairs { mcp = ".mcp.json", litellm = "config.yaml", bifrost = "config.json" } do
	local r = run { "import", file, "--out", name }
	expect(r.code, file .. r.err):is(0)
	expect(run { "check", "-c", name .. "/tollgate.yaml" }.code, file):is(0)
	sys.write_file(dir .. "/" .. name .. "/tollgate.yaml", "mine\n")
	r = run { "import", file, "--out", name }
	expect(r.code):is(1)
	expect(r.err):has(name .. "/tollgate.yaml is in the way; nothing was written")
	expect(read(dir, name .. "/tollgate.yaml")):is("mine\n")
end

test "one file in the way is enough, and nothing is written beside it"
local dir, run = sources()
sys.mkdir(dir .. "/gate")
sys.write_file(dir .. "/gate/IMPORT.md", "mine\n")
expect(run { "import", ".mcp.json", "--out", "gate" }.err):has("gate/IMPORT.md is in the way")
expect(read_file(dir .. "/gate/tollgate.yaml")):is(nil)

test "several files become one folder; no secret is in it, nor printed; the list says what was left"
local dir, run = sources()
local r = run { "import", ".mcp.json", "config.yaml", "config.json" }
expect(r.code, r.err):is(0)
local json_run = run { "import", "--json", "--out", "again", ".mcp.json", "config.yaml", "config.json" }
local told = json.try(json_run.out)
local all = r.out .. r.err .. json_run.out .. json_run.err
for _, path in ipairs(told.files) do all = all .. read(dir, "tollgate-import/" .. path) end
for _, secret in ipairs(SECRETS) do expect(all):lacks(secret) end
expect(r.out):has("`gpt` this gateway does not speak to azure yet")
expect(r.out):has("`mcpServers.other.alwaysAllow`")
expect(r.out):has("- `OTHER_ARGUMENT` for other (its text stands in the source)")
expect(read(dir, "tollgate-import/IMPORT.md")):has("`general_settings.master_key`")
expect(told.not_carried_n):is(#told.not_carried)
expect(read(dir, "tollgate-import/policies/root/organisation.yaml")):has("budget: [20.5 USD/month]")

test "a gateway starts from the result: what the source let everybody use can be used, and no more"
local up = provider {}
local dir, run = sources(up)
expect(run { "import", ".mcp.json", "config.yaml", "config.json", "--out", "gate" }.code):is(0)
local policies = {}
for _, path in ipairs(json.try(run { "import", "--json", "--out", "again", ".mcp.json", "config.yaml", "config.json" }.out).files) do
	local name = path:match("^policies/(.*)$")
	if name then policies[name] = read(dir, "gate/" .. path) end
end
local yaml = read(dir, "gate/tollgate.yaml"):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")
local gw = gateway { yaml = yaml, policies = policies,
	env = { ANTHROPIC_API_KEY = "sk-one", ANTHROPIC_API_KEY_2 = "sk-two", PAGE = "2", NOTES_TOKEN = "y" } }
local anybody = gw:key { name = "me", customer = "imported" }
local ana = gw:key { name = "ana", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(anybody, 10) -- what destroys waits for its line in mcp.lock
expect(gw:ok { "tools", "--key", "me" }.out):has("+ notes/")
expect(gw:ok { "tools", "--key", "me" }.out):has("+ keyed/")
expect(gw:ok { "tools", "--key", "ana" }.out):lacks("+ notes/")
expect(gw:client(ana):message { model = "claude-opus-5" }.status):is(403)
