-- SPDX-License-Identifier: Apache-2.0
-- enforcement: observe.  What would be refused passes and is recorded, level by level.

local PRICES = "version: 1\ndate: 2026-08-01\nmodels:\n  claude-sonnet-4-6: { input: 0, output: 15000, max_output: 10 }\n"
local BODY = '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'

-- A request costs 0.15 USD.
local function world(org, rules)
	local up, shop = provider { usage = { input_tokens = 0, output_tokens = 10 } }, mcp_server "shop" { tools = { "price", "order" } }
	local gw = gateway { providers = { anthropic = up }, servers = { shop = shop }, prices = PRICES, policies = {
		["root/org.yaml"] = "version: 1\norganisation:\n" .. org,
		["root/rules.yaml"] = 'version: 1\npolicy: tools\nowner: "#tools"\napplies_to: { customers: [acme] }\nrules:\n' ..
			(rules or '  - allow: "model:*"\n  - allow: shop/price\n'),
	} }
	wait_for("the server", function() return gw:client():get("/metrics").body:find('server_tools{server="shop"} 2', 1, true) end)
	return gw, gw:dev(), up, shop
end
local function ask(gw, key) return gw:client(key):post("/anthropic/v1/messages", BODY).status end
local function rows(gw, name)
	local out = {}
	for _, r in ipairs(gw:audit()) do if r.name == name and r.kind ~= "admin" then out[#out + 1] = r end end
	return out
end

local TEAM = [[
  customers:
    acme:
%s      teams:
        payments:
          enforcement: %s
          budget: 0.15 USD/month
          limit: { requests: 2/hour }
          users: { ana: { %s } }
]]

test "a team that observes: its budget, limits and rules let pass, and the audit says what they would"
local gw, ana, up, shop = world(string.format(TEAM, "", "observe", ""))
for _ = 1, 4 do expect(ask(gw, ana)):is(200) end
local r = rows(gw, "claude-sonnet-4-6")
expect(#r):is(4)
expect(r[1].would):is(nil)
expect(r[2].would):has("budget exhausted: acme/payments has used or reserved 0.15 of 0.15 USD")
expect(r[3].would ~= nil):is(true)
local q = gw:client(ana):get("/v1/quota").json.levels[2]
expect(q.budgets[1]):has { used_nusd = 600000000, left_nusd = 0 }
expect(q.limits[1]):has { used = 2, left = 0 } -- what had no room was not taken
-- A tool that no rule allows is listed, and can be called.
local c = gw:mcp(ana)
expect(c:tools()):has "shop__order"
expect(not c:call("shop__order").isError):is(true)
expect(#shop.calls):is(1)
expect(rows(gw, "shop/order")[1]):has { verdict = "ok", would = "no rule allows it" }
expect(gw:client():get("/metrics").body):has("tollgate_policy_would_deny_total")
local out = gw:ok { "policy", "rollout", "--json" }.json[1]
expect(out):has { customer = "acme", team = "payments", user = "ana", would_refuse = 4 }
expect(out.first_why):has("budget exhausted")
expect(gw:ok { "policy", "rollout" }.out):has("acme/payments/ana: 4 would be refused; first claude-sonnet-4-6: budget exhausted")

test "each level for itself: a customer that enforces refuses, whatever its team does"
local gw, ana = world(string.format(TEAM, "      enforcement: enforce\n      budget: 0.30 USD/month\n", "observe", ""))
for _ = 1, 2 do expect(ask(gw, ana)):is(200) end
local r = gw:client(ana):post("/anthropic/v1/messages", BODY)
expect(r.status):is(429)
expect(r.json.error.message):has("budget exhausted: acme has used")

test "the nearest word counts: a user below is enforced again, and below the organisation all is observed"
local gw, ana, up, shop = world(string.format(TEAM, "", "observe", "enforcement: enforce, budget: 0.30 USD/month"))
expect(gw:mcp(ana):call("shop__order")):error(-32602)
for _ = 1, 2 do expect(ask(gw, ana)):is(200) end
expect(ask(gw, ana)):is(429)
local gw, ana, up, shop = world("  enforcement: observe\n  customers: { acme: { budget: 0.15 USD/month, teams: { payments: { users: { ana: {} } } } } }\n",
	'  - deny: shop/order\n    reason: "never"\n')
for _ = 1, 3 do expect(ask(gw, ana)):is(200) end
expect(not gw:mcp(ana):call("shop__order").isError):is(true)
expect(rows(gw, "shop/order")[1].would):has("denied by tools:6: never")

test "observing opens neither the admin API nor a key's own scope"
local gw = world("  enforcement: observe\n  customers: { acme: { teams: { payments: { users: { ana: {} } } } } }\n")
local k = gw:ok { "key", "create", "--json", "--name", "narrow", "--user", "ana", "--scope", "shop/price" }.json
expect(gw:client(k):get("/admin/api/keys").status):is(403)
expect(gw:mcp(k):call("shop__order")):error(-32602)
expect(ask(gw, k)):is(403)

test "only root/ lets a level off"
local gw = gateway { start = false, policies = {
	["root/a.yaml"] = "version: 1\norganisation:\n  customers: { acme: {} }\n",
	["customers/acme/a.yaml"] = "version: 1\norganisation:\n  customers: { acme: { enforcement: observe } }\n" } }
expect(gw:cli { "check" }.err):has("enforcement is set in root/ only")
