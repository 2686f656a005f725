-- SPDX-License-Identifier: Apache-2.0
-- What a key may know about itself, and what doctor finds.

local POLICY = [[
version: 1
organisation:
  contact: "#platform"
  customers:
    acme:
      teams:
        payments:
          users:
            ana: { budget: 5 USD/month }
policy: pay
applies_to: { customers: ["*"] }
rules:
  - allow: github/get_*
  - allow: "model:*"
]]

local function world()
	local srv = mcp_server { tools = { "get_issue", "delete_repo" } }
	local gw = gateway { servers = { github = srv }, providers = { anthropic = provider {} },
		policies = { ["root/rig.yaml"] = POLICY } }
	local key = gw:key { name = "dev", user = "ana" }
	gw:wait_tools(key, 1)
	return gw, key
end

-- As an engineer without the socket and the configuration.
local function away(gw, secret, argv)
	local list = { gw:binary() }
	for _, a in ipairs(argv) do list[#list + 1] = a end
	list[#list + 1], list[#list + 2] = "--url", "http://127.0.0.1:" .. gw.port
	local p = process(list, { TOLLGATE_KEY = secret, OTHER_KEY = secret })
	return { code = p:wait(), out = p.out, err = p.err, json = json.try(p.out) }
end

test "/me tells a key its budgets, its tools and why not the rest, and what it was refused"
local gw, key = world()
local c = gw:mcp(key)
expect(c:call("github__delete_repo", {}).error ~= nil):is(true)
local me = gw:client(key):get("/me").json
expect(me.key):is(key.id)
expect(me.user):is("ana")
expect(me.levels[1].budgets[1].limit_nusd):is(5000000000)
expect(me.tools):has { tool = "github/get_issue", allowed = true, why = "allowed by pay:13" }
expect(me.tools):has { tool = "github/delete_repo", allowed = false, why = "no rule allows it (ask #platform)" }
expect(me.models):has { model = "claude-sonnet-4-6", allowed = true }
expect(me.code_mode[1].allowed):is(false)
expect(gw:client():get("/me").status):is(401)
-- A model that is refused is told later on.
sys.write_file(gw.folder .. "/policies/root/rig.yaml", (POLICY:gsub('  %- allow: "model:%*"\n', "")))
gw:ok { "reload" }
expect(gw:client(key):message().status):is(403)
local denial = gw:client(key):get("/me").json.denials[1]
expect(denial.name):is("claude-sonnet-4-6")
expect(denial.verdict):is("not_permitted")

test "an engineer without the socket asks with --url and the key of a variable"
local gw, key = world()
local r = away(gw, key.key, { "tools" })
expect(r.code):is(0)
expect(r.out):has("+ github/get_issue")
expect(r.out):has("- github/delete_repo")
expect(away(gw, key.key, { "quota", "--key-env", "OTHER_KEY" }).out):has("5.000000 USD")
expect(away(gw, key.key, { "quota", "--json" }).json.key):is(key.id)
expect(away(gw, key.key, { "connect", "claude-code" }).out):has("http://127.0.0.1:" .. gw.port .. "/mcp")
r = away(gw, "tg-" .. string.rep("A", 40), { "quota" })
expect(r.code):is(1)
expect(r.err):has("mistyped")
r = away(gw, key.key, { "quota", "--key-env", "NOT_SET" })
expect(r.err):has("NOT_SET is not set")
r = away(gw, key.key, { "quota", "--key-env", key.key })
expect(r.code):is(1)
expect(r.err):lacks(key.key)
gw:ok { "key", "revoke", "dev" }
r = away(gw, key.key, { "quota" })
expect(r.code):is(1)
expect(r.err):has("revoked")
-- Not in clear text to another host.
local p = process({ gw:binary(), "quota", "--url", "http://gate.example.invalid" }, { TOLLGATE_KEY = key.key })
expect(p:wait()):is(1)
expect(p.err):has("https://")

test "doctor finds nothing wrong here, and says how a running gateway is"
local gw = world()
local r = gw:cli { "doctor" }
expect(r.code, r.out):is(0)
expect(r.out):has("runs and is ready")
gw:stop()
r = gw:cli { "doctor", "--json" }
expect(r.code, r.out):is(0)
expect(r.json):has { check = "policies", result = "ok" }
expect(r.json):has { check = "sandbox" }

test "doctor names what others can read, and a database that is there and cannot be opened"
local gw = world()
gw:stop()
process({ "/bin/chmod", "644", gw.data .. "/seal.key" }, {}):wait()
local r = gw:cli { "doctor" }
expect(r.out):has("others can read " .. gw.data .. "/seal.key (chmod 600 " .. gw.data .. "/seal.key)")
expect(r.out):lacks("others can read " .. gw.data .. "/tollgate.db")
expect(r.err):is("")
os.remove(gw.data .. "/tollgate.db")
sys.mkdir(gw.data .. "/tollgate.db")
r = gw:cli { "doctor" }
expect(r.code):is(1)
expect(r.out):matches("bad +database +cannot open " .. gw.data:gsub("%-", "%%-") .. "/tollgate.db: ")

test "doctor names what is wrong: a policy, a program, a variable, an address"
local gw = gateway { start = false, policies = { ["root/rig.yaml"] = "version: 1\npolicys: x\n" }, yaml = [[
listen:
  - { address: "127.0.0.1:1", serves: [mcp] }
providers:
  anthropic: { kind: anthropic, url: "https://api.example.invalid", key: env:NOT_SET_HERE }
servers:
  tool: { command: [/no/such/program] }
]] }
local r = gw:cli { "doctor" }
expect(r.code):is(1)
expect(r.out):matches("bad +policies +[^\n]*root/rig%.yaml:2:1")
expect(r.out):has("NOT_SET_HERE")
expect(r.out):has("/no/such/program")

test "/metrics counts what was asked, refused and spent"
local up = provider { usage = { input_tokens = 7, output_tokens = 3 } }
local gw = gateway { providers = { anthropic = up } }
local key = gw:key { name = "dev", user = "ana" }
expect(gw:client(key):message().status):is(200)
local text = gw:client():get("/metrics").body
expect(text):has('tollgate_ends_total{kind="model",end="ok"} 1\n')
expect(text):has('tollgate_tokens_total{type="input"} 7\n')
expect(text):has('tollgate_cost_nusd_total{kind="model"} 66000\n')
expect(text):has('tollgate_keys_usable 2\n')
expect(text):has('tollgate_policies_current 1\n')
expect(text):lacks("tg-")
-- Every sample has its type, and no name has two.
local types = {}
for name in text:gmatch("# TYPE (%S+)") do
	expect(types[name]):is(nil)
	types[name] = true
end
for name in ("\n" .. text):gmatch("\n([%a_]+)[{ ]") do expect(types[name], name):is(true) end
