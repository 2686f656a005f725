-- SPDX-License-Identifier: Apache-2.0
-- Policies of where a request comes from: the view is the gateway's own path and may open, a client's
-- name is what it says of itself and only takes away.

local VIEWS = 'views:\n  ops: { tools: ["any/*"], resources: ["any/*"], code_mode: opt-in }\n  web: { tools: ["any/*"] }\n'
local ORG = "version: 1\norganisation: { customers: { acme: { teams: { payments: { users: { ana: {} } } } } } }\n"
local EVERYBODY = 'version: 1\npolicy: all\napplies_to: { teams: [payments] }\nrules:\n  - allow: k8s/get_pod\n  - allow: "model:*"\n  - allow: code:run\n'
local OPS = 'version: 1\npolicy: ops\nowner: "#sre"\napplies_to: { teams: [payments], views: [ops] }\nrules:\n  - allow: "k8s/restart_*"\n' ..
	'    limit: { calls: 2/hour }\n'

local function world(more)
	local up, k8s = provider {}, mcp_server "k8s" { tools = { "get_pod", "restart_pod", "drop_pod" } }
	local files = { ["root/org.yaml"] = ORG, ["root/all.yaml"] = EVERYBODY, ["root/ops.yaml"] = OPS }
	for path, text in pairs(more or {}) do files[path] = text end
	local gw = gateway { providers = { anthropic = up }, servers = { k8s = k8s }, policies = files, yaml = VIEWS }
	local key = gw:dev()
	wait_for("the server", function() return gw:client():get("/metrics").body:find('server_tools{server="k8s"} 3', 1, true) end)
	return gw, key, k8s, up
end
local function at(gw, key, path, agent)
	return mcp_client { port = gw.port, path = path and "/mcp/v/" .. path or "/mcp",
		headers = { authorization = "Bearer " .. key.key, ["user-agent"] = agent } }
end

test "a tool that is granted in one view is listed, called and scripted there, and nowhere else is there such a tool"
local gw, key, k8s = world()
local ops, web, hub = at(gw, key, "ops"), at(gw, key, "web"), at(gw, key)
expect(ops:tools()):same { "k8s__get_pod", "k8s__restart_pod", "lua", "tools" }
expect(web:tools()):same { "k8s__get_pod" }
expect(hub:call("k8s__restart_pod")):error(-32602)
expect(web:call("k8s__restart_pod")):error(-32602)
expect(#k8s.calls):is(0)
expect(not ops:call("k8s__restart_pod").isError):is(true)
local r = ops:call("lua", { code = "return k8s.restart_pod{}" })
expect(r.content[1].text):has("restart_pod done")
expect(#k8s.calls):is(2)
-- The view's limit counts there; a script elsewhere finds no such tool.
expect(ops:call("k8s__restart_pod").content[1].text):has("limit reached")
expect(hub:call("lua", { code = "return k8s.restart_pod{}" }).isError):is(true)
expect(#k8s.calls):is(2)
local rows = gw:audit()
expect(rows):has { name = "k8s/restart_pod", verdict = "ok", view = "ops", rule = "root/ops.yaml:6" }
expect(rows):has { name = "k8s/restart_pod", verdict = "not_permitted" }
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "k8s/restart_pod {}", "--view", "ops" }).out):has("acme > payments > ana in view ops")
expect(gw:cli({ "policy", "explain", "--user", "ana", "--call", "k8s/restart_pod {}", "--view", "web" }).out):has("ops:6 gives it to teams [acme/payments], views [ops]")

test "what a client calls itself takes away, and no name that it could say gives anything"
local gw, key, k8s, up = world { ["root/cursor.yaml"] = 'version: 1\npolicy: cursor\nowner: "#dev"\napplies_to: { clients: [cursor] }\nrules:\n' ..
	'  - deny: k8s/*\n    reason: "Not from the editor"\n  - deny: "model:*"\n    reason: "Not from the editor"\n' }
local function ask(agent)
	return gw:client(key):post("/anthropic/v1/messages", '{"model":"claude-sonnet-4-6","max_tokens":9,"messages":[]}', { ["user-agent"] = agent })
end
local c = at(gw, key, nil, "Cursor/1.2 (linux)"):call("k8s__get_pod")
expect(c.isError):is(true)
expect(c.content[1].text):has("denied by cursor:6: Not from the editor (ask #dev)")
expect(#k8s.calls):is(0)
local r = ask("cursor/1.2")
expect(r.status):is(403)
expect(r.json.error.message):has("Not from the editor")
-- Under any other name it may what everybody may, and no more.
for _, agent in ipairs { "claude-code/2.1.330 (sdk-cli)", "cursors/1", "ops", "*" } do
	expect(not at(gw, key, nil, agent):call("k8s__get_pod").isError):is(true)
	expect(at(gw, key, nil, agent):call("k8s__restart_pod")):error(-32602)
	expect(ask(agent).status):is(200)
end
-- A script's calls are its client's.
expect(at(gw, key, nil, "cursor/1"):call("lua", { code = "return k8s.get_pod{}" }).content[1].text):has("Not from the editor")
expect(gw:cli({ "policy", "explain", "--user", "ana", "--call", "k8s/get_pod {}", "--client", "cursor/9" }).out):has("DENY  k8s/get_pod")
sys.write_file(gw.folder .. "/policies/root/cursor.yaml", "version: 1\npolicy: cursor\napplies_to: { clients: [cursor] }\nrules:\n  - allow: k8s/*\n")
expect(gw:cli({ "reload" }).err):has("a policy with clients: only takes away, since a client is what it says")

test "tests, lint, diff and the roll-back of a change see each view and client"
local gw = world { ["root/cursor.yaml"] = 'version: 1\npolicy: cursor\nowner: "#dev"\napplies_to: { clients: [cursor] }\nrules:\n  - deny: k8s/*\n    reason: no\n',
	["root/ops_test.yaml"] = 'suite: ops\ngiven: { as: { user: ana, view: ops } }\ncases:\n  - call: [k8s/restart_pod, {}]\n    expect: allow\n' ..
		"  - repeat: [k8s/restart_pod, {}]\n    times: 3\n    expect_last: deny\n    because: limit\n",
	["root/web_test.yaml"] = 'suite: web\ngiven: { as: { user: ana, view: web, client: cursor/1 } }\ncases:\n  - call: [k8s/restart_pod, {}]\n    expect: deny\n' ..
		"  - call: [k8s/get_pod, {}]\n    expect: deny\n    because: cursor\n" }
local t = gw:ok({ "policy", "test" }).out
expect(t):has("ok 4")
expect(t):lacks("not ok")
expect(gw:cli({ "policy", "lint" }).err):lacks("applies to nobody")
local new = gw.folder .. "/new"
os.execute("cp -r " .. gw.folder .. "/policies " .. new)
sys.write_file(new .. "/root/ops.yaml", (OPS:gsub("restart_", "*")))
os.remove(new .. "/root/cursor.yaml")
local d = gw:cli { "policy", "diff", gw.folder .. "/policies", new, "--fail-on", "widen" }
expect(d.code):is(1)
expect(d.out):has("acme/payments/ana in view ops")
expect(d.out):has("+ k8s/drop_pod: refused -> allow")
expect(d.out):has("acme/payments/ana from cursor")
expect(d.out):has("+ k8s/get_pod: refused -> allow")
expect(gw:cli({ "policy", "diff", gw.folder .. "/policies", gw.folder .. "/policies", "--fail-on", "widen" }).code):is(0)
