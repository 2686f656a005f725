-- SPDX-License-Identifier: Apache-2.0
-- How scripts are offered: a platform team, a team of its own and a view each have a word on it.

local ORG = [[
version: 1
organisation:
  contact: "#platform"
  customers:
    acme:
      teams:
        payments: { users: { ana: {} } }
        web: { users: { bob: {} } }
policy: everyone
applies_to: { customers: [acme] }
rules:
  - allow: shop/*
  - allow: code:run
]]
local function platform(mode, more)
	return "version: 1\npolicy: platform\napplies_to: \"*\"\ncode_mode: " .. mode .. "\n" .. (more or "")
end
local function payments(mode)
	return "version: 1\npolicy: payments-own\napplies_to: { teams: [payments] }\ncode_mode: " .. mode .. "\n"
end
local OWN = "customers/acme/teams/payments/own.yaml"

local function world(files, yaml)
	local policies = { ["root/org.yaml"] = ORG }
	for path, text in pairs(files or {}) do policies[path] = text end
	local up = mcp_server "shop" { tools = { "get_order", "put_order", "find" } }
	local gw = gateway { servers = { shop = up }, policies = policies, yaml = yaml }
	local ana, bob = gw:key { name = "ana", user = "ana" }, gw:key { name = "bob", user = "bob" }
	wait_for("the server", function() return not gw:mcp(ana):call("shop__find").error end)
	return gw, ana, bob, up
end
local function set(gw, path, text)
	sys.write_file(gw.folder .. "/policies/" .. path, text)
	gw:ok { "reload" }
end
local function at(gw, key, view) -- a client of a view's path
	return mcp_client { port = gw.port, headers = { authorization = "Bearer " .. key.key }, path = "/mcp/v/" .. view }
end
local ALL = { "lua", "shop__find", "shop__get_order", "shop__put_order", "tools" }
local TWO, NO_SCRIPTS = { "lua", "tools" }, { "shop__find", "shop__get_order", "shop__put_order" }

test "a policy says how scripts are offered, for whom it applies to, and of several the narrowest holds"
local gw, ana, bob = world({ [OWN] = payments "only" }, "mcp: { code_mode: opt-in }\n")
expect(gw:mcp(ana):tools(), "her team lists no more than the two"):same(TWO)
expect(gw:mcp(bob):tools(), "another team is as the gateway says"):same(ALL)
-- What is not listed can be called, and scripts do the same.
expect(gw:mcp(ana):call("shop__find").content[1].text):is("find done")
expect(gw:mcp(ana):call("lua", { code = "return shop.find{}" }).content[1].text):is("find done")
-- The platform team is narrower than one, and wider than nobody.
set(gw, "root/platform.yaml", platform "auto")
expect(gw:mcp(ana):tools()):same(TWO)
expect(gw:mcp(bob):tools(), "three tools are few"):same(ALL)
set(gw, "root/platform.yaml", platform "off")
expect(gw:mcp(ana):tools()):same(NO_SCRIPTS)
expect(gw:mcp(bob):tools()):same(NO_SCRIPTS)
-- A policy that observes says nothing.
set(gw, "root/platform.yaml", platform("off", "mode: observe\n"))
expect(gw:mcp(ana):tools()):same(TWO)
expect(gw:mcp(bob):tools()):same(ALL)

test "off makes lua a name like any other, and who runs the gateway is told why"
local gw, ana, bob = world({ [OWN] = payments "off" })
local r, unknown = gw:mcp(ana):call("lua", { code = "return 1" }), gw:mcp(ana):call("lula")
expect(r):error(-32602)
expect(r.error.message):is((unknown.error.message:gsub("lula", "lua")))
expect(gw:mcp(ana):call("tools", { query = "shop" })):error(-32602)
expect(gw:mcp(bob):call("lua", { code = "return 1" }).content[1].text):is("1")
sys.write_file(gw.folder .. "/s.lua", "return 1")
local cli = gw:cli { "script", "run", gw.folder .. "/s.lua", "--key", "ana" }
expect(cli.code):is(1)
expect(cli.err):has("this key is offered no scripts: code_mode off by policy payments-own:4")

test "a team's folder speaks of the team alone, whatever it says"
local gw, ana, bob = world { [OWN] = "version: 1\npolicy: payments-own\napplies_to: { keys: [ana, bob] }\ncode_mode: off\n" }
expect(gw:mcp(ana):tools()):same(NO_SCRIPTS)
expect(gw:mcp(bob):tools()):same(ALL)
set(gw, OWN, payments "only")
expect(gw:mcp(ana):tools()):same(TWO)
sys.write_file(gw.folder .. "/policies/" .. OWN, "version: 1\npolicy: payments-own\napplies_to: { teams: [web] }\ncode_mode: off\n")
expect(gw:cli { "check" }.code):is(1)
sys.write_file(gw.folder .. "/policies/" .. OWN, payments "sometimes")
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err .. r.out):matches("own%.yaml:4:12: unknown code_mode \"sometimes\"")
expect(gw:mcp(ana):tools(), "a bundle with an error changes nothing"):same(TWO)

test "a client may ask for less than what holds, never for more"
local function listed(mode, header)
	local gw, ana = world({ ["root/platform.yaml"] = platform(mode) })
	local names = {}
	local r = gw:client(ana):post("/mcp", json.encode { jsonrpc = "2.0", id = 1, method = "tools/list", params = { _meta = {
		["io.modelcontextprotocol/protocolVersion"] = "2026-07-28", ["io.modelcontextprotocol/clientCapabilities"] = json.object and json.object {} or {} } } },
		{ ["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/list", ["tollgate-code-mode"] = header }).json.result.tools
	for i, t in ipairs(r) do names[i] = t.name end
	table.sort(names)
	return names
end
for _, c in ipairs { { "opt-in", "only", TWO }, { "opt-in", "off", NO_SCRIPTS }, { "auto", "only", TWO }, { "auto", "off", NO_SCRIPTS },
	{ "auto", "opt-in", ALL }, { "only", "off", TWO }, { "only", "opt-in", TWO }, { "off", "only", NO_SCRIPTS },
	{ "off", "opt-in", NO_SCRIPTS }, { "opt-in", "anything", ALL } } do
	expect(listed(c[1], c[2]), c[1] .. " and the header " .. c[2]):same(c[3])
end

test "a view has scripts where it says how, and they see what is in it"
local gw, ana, bob, up = world({ [OWN] = payments "opt-in" }, [[
views:
  reading: { tools: ["shop/get_*", "shop/find"], code_mode: only }
  both: { tools: ["shop/find"], code_mode: opt-in }
  plain: { tools: ["shop/find"] }
  never: { tools: ["shop/find"], code_mode: off }
]])
expect(at(gw, bob, "reading"):tools()):same(TWO)
expect(at(gw, bob, "both"):tools()):same { "lua", "shop__find", "tools" }
expect(at(gw, bob, "plain"):tools()):same { "shop__find" }
expect(at(gw, bob, "never"):tools()):same { "shop__find" }
expect(at(gw, bob, "plain"):call("lua", { code = "return 1" })):error(-32602)
-- A policy is stronger than a view that has scripts, and gives none to one that has not.
expect(at(gw, ana, "reading"):tools()):same { "lua", "shop__find", "shop__get_order", "tools" }
expect(at(gw, ana, "plain"):tools()):same { "shop__find" }
expect(at(gw, ana, "never"):tools()):same { "shop__find" }
-- A view's script is in the view: its calls, what it finds, what the model is told.
local c = at(gw, bob, "reading")
expect(c:call("lua", { code = "return shop.get_order{}" }).content[1].text):is("get_order done")
local r = c:call("lua", { code = "return shop.put_order{}" })
expect(r.isError):is(true)
expect(r.content[1].text):has("put_order")
r = c:call("lua", { code = "local name = 'put_order' local ok, e = pcall(call, 'shop.' .. name, {}) return e.code" })
expect(r.content[1].text):is("unknown_tool")
expect(c:call("lua", { code = "return tools'put order'" }).content[1].text):lacks("put_order")
expect(c:call("tools", { query = "shop" }).content[1].text):lacks("put_order")
for _, d in ipairs(c:definitions()) do expect(d.description, d.name):lacks("put_order") end
expect(gw:mcp(bob):definitions()[4].description, "everywhere else it is there"):has("shop.put_order")
for _, call in ipairs(up.calls) do expect(call.name):is(call.name ~= "put_order" and call.name) end

test "a change of it is told to who listens, and lists are the same bytes until then"
local gw, ana = world()
local c = legacy_client(gw, ana)
local function list() return c.post({ jsonrpc = "2.0", id = 7, method = "tools/list" }).body end
local stream = c.get()
local before = list()
expect(list()):is(before)
-- Three tools are few: another word for what is listed already is no change.
set(gw, "root/platform.yaml", platform "auto")
expect(list()):is(before)
set(gw, "root/platform.yaml", platform "only")
expect(stream:event().json.method):is("notifications/tools/list_changed")
local after = list()
expect(after):lacks("shop__find")
expect(list()):is(after)
set(gw, "root/platform.yaml", platform "off")
expect(stream:event().json.method):is("notifications/tools/list_changed")
expect(list()):has("shop__find")
expect(list()):lacks('"lua"')

test "auto: few tools are listed beside the two, many are not"
local many = {}
for i = 1, 16 do many[i] = "tool_" .. i end
local gw, ana = world({ ["root/platform.yaml"] = platform "auto" })
local names = gw:mcp(ana):tools()
expect(names):same(ALL)
local up = mcp_server "shop" { tools = many }
local gw = gateway { servers = { shop = up }, policies = { ["root/org.yaml"] = ORG, ["root/platform.yaml"] = platform "auto" } }
local key = gw:key { name = "ana", user = "ana" }
wait_for("the server", function() return not gw:mcp(key):call("shop__tool_1").error end)
expect(gw:mcp(key):tools()):same(TWO)

test "people are told: tools --key, /me, policy explain, diff and lint"
local gw, ana, bob = world { ["root/platform.yaml"] = platform "auto", [OWN] = payments "only" }
expect(gw:ok({ "tools", "--key", "ana" }).out):matches("%+ lua +allowed by everyone:13; code_mode only by policy payments%-own:4: of 3 tools none is listed\n")
expect(gw:ok({ "tools", "--key", "bob" }).out):matches("%+ lua +allowed by everyone:13; code_mode auto by policy platform:4: 3 tools are listed, too\n")
expect(gw:ok({ "tools" }).out, "without a key it is a catalogue"):lacks("lua")
local me = gw:client(ana):get("/me").json.code_mode[1]
expect(me):has { run = "run", allowed = true, mode = "only", listed = true, alone = true }
expect(me.how):has("by policy payments-own:4")
local out = gw:ok({ "policy", "explain", "--user", "ana", "--call", "lua" }).out
expect(out):has("ALLOW  lua")
expect(out):has("code_mode payments-own:4 only -> holds\n")
expect(out):has("code_mode platform:4 auto\n")
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "code:run", "--json" }).json.code_mode)
	:has { mode = "only", policy = "payments-own", at = OWN .. ":4" }
-- A pull request.
local function folder(name, mode)
	local dir = gw.folder .. "/" .. name
	for _, d in ipairs { "", "/root" } do sys.mkdir(dir .. d) end
	sys.write_file(dir .. "/root/org.yaml", ORG)
	if mode then sys.write_file(dir .. "/root/platform.yaml", platform(mode)) end
	return dir
end
local none, auto, only, off = folder("none"), folder("auto", "auto"), folder("only", "only"), folder("off", "off")
expect(gw:ok({ "policy", "diff", auto, only }).out):has("- code:run: allow; code_mode auto -> allow; code_mode only\n")
expect(gw:ok({ "policy", "diff", only, off, "--fail-on", "widen" }).out):has("1 narrowed")
expect(gw:cli({ "policy", "diff", off, none, "--fail-on", "widen" }).code):is(1)
expect(gw:ok({ "policy", "diff", none, only }).out, "what held is not in these files"):has("1 changed")
-- What it is useless for.
set(gw, OWN, payments "auto")
set(gw, "root/platform.yaml", platform "only")
expect(gw:cli({ "policy", "lint" }).err):has("own.yaml:4: warning: code_mode: auto holds for nobody: root/platform.yaml:4 says only")

test "a reload that only narrows a tool's schema, or says more of it, is told; one that changes no byte of the list is not"
local gw, ana, bob = world()
local ca, cb = legacy_client(gw, ana), legacy_client(gw, bob)
local function list(c) return c.post({ jsonrpc = "2.0", id = 7, method = "tools/list" }).body end
local ours, theirs = ca.get(), cb.get()
local function narrow(team, rule)
	set(gw, "root/" .. team .. ".yaml", "version: 1\npolicy: " .. team .. "\napplies_to: { teams: [" .. team .. "] }\nrules:\n  - reason: so it is\n    " .. rule .. "\n")
end
local seen = { [list(ca)] = true }
local others = list(cb)
for _, rule in ipairs { "deny: shop/put_order\n    when: { id: { not: { min: 3 } } }", "deny: shop/put_order\n    when: { id: { not: { min: 4 } } }",
	"approve: shop/put_order\n    when: { id: { equals: 3 } }" } do
	narrow("payments", rule)
	expect(ours:event().json.method, rule):is("notifications/tools/list_changed")
	expect(seen[list(ca)], "the same list"):is(nil)
	seen[list(ca)] = true
end
expect(list(cb)):is(others)
-- The same at another place, said otherwise, changes no byte; the other team's does.
local before = list(ca)
narrow("payments", "# why\n    approve: shop/put_order\n    when: { id: { equals: 3 } }\n  - reason: by nobody\n    deny: shop/nothing_*\n    when: { id: { equals: 4 } }")
expect(list(ca)):is(before)
narrow("web", "deny: shop/put_order\n    when: { id: { not: { min: 3 } } }")
expect(theirs:event().json.method):is("notifications/tools/list_changed")
narrow("payments", "deny: shop/find")
expect(ours:event().json.method):is("notifications/tools/list_changed")
expect(list(ca)):lacks("shop__find")
gw:kill9()
expect(not ours:event(), "no more for ana"):is(true)
expect(not theirs:event(), "no more for bob"):is(true)
