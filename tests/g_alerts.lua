-- SPDX-License-Identifier: Apache-2.0
-- Alerts: a budget is used up so far; told once for each threshold and period.  A request costs 0.15 USD.

local PRICES = "version: 1\ndate: 2026-08-01\nmodels:\n  claude-sonnet-4-6: { input: 0, output: 15000, max_output: 10 }\n"
local BODY = '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'
local SECRET = "a-secret-of-the-receiver"

local function org(team)
	return { ["root/all.yaml"] = string.format([[
version: 1
organisation:
  contact: "#gate"
  customers:
    acme:
      teams:
        payments:
          %s
          users: { ana: {} }
policy: models
applies_to: { customers: [acme] }
rules:
  - allow: "model:*"
]], team) }
end

local function world(team)
	local up, hook = provider { usage = { input_tokens = 0, output_tokens = 10 } }, provider {}
	local gw = gateway { providers = { anthropic = up }, prices = PRICES, clock = "2026-08-21T12:00:00Z", policies = org(team),
		yaml = string.format('webhooks: { url: "%s/hook", secret: env:HOOK_SECRET }\n', hook.url), env = { HOOK_SECRET = SECRET } }
	return gw, gw:dev(), hook
end
local function ask(gw, key) return gw:client(key):post("/anthropic/v1/messages", BODY).status end
local function count(gw) return select(2, gw.process.err:gsub("budget alert level=acme/payments", "")) end

test "each threshold is told once in a period, to the log and to the webhook, also over a restart"
local gw, ana, hook = world('budget: 1.50 USD/day\n          alerts: { at: ["50%", "80%", "100%"], to: [log, webhook] }')
for _ = 1, 4 do expect(ask(gw, ana)):is(200) end
expect(#hook.requests):is(0)
expect(count(gw)):is(0)
expect(ask(gw, ana)):is(200) -- 0.75
hook:wait(1)
local r = hook.requests[1]
expect(r.headers["x-tollgate-signature"]):is("v1=" .. sys.hmac(SECRET, r.headers["x-tollgate-timestamp"] .. "." .. r.body))
expect(r.json):has { event = "budget.alert" }
expect(r.json.data):same { level = "acme/payments", period = "day", percent = 50, used_nusd = 750000000, limit_nusd = 1500000000,
	resets_at_s = 1787356800, contact = "#gate" }
expect(count(gw)):is(1)
expect(ask(gw, ana)):is(200)
expect(count(gw)):is(1)
gw:kill9()
gw:start()
expect(ask(gw, ana)):is(200)
expect(count(gw)):is(0)
expect(ask(gw, ana)):is(200) -- 1.20
hook:wait(2)
expect(hook.requests[2].json.data.percent):is(80)
for _ = 1, 2 do expect(ask(gw, ana)):is(200) end
hook:wait(3)
expect(hook.requests[3].json.data):has { percent = 100, used_nusd = 1500000000 }
expect(ask(gw, ana)):is(429)
-- A new day begins with none told.
gw:advance("13h")
for _ = 1, 5 do expect(ask(gw, ana)):is(200) end
hook:wait(4)
expect(hook.requests[4].json.data.percent):is(50)
expect(#hook.requests):is(4)
local rows = gw:audit()
expect(rows):has { kind = "admin", name = "budget.alert", actor = "gateway", level = "acme/payments", percent = 80 }
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "thresholds that are passed at once are told as one, the highest; without to, only the log hears"
local gw, ana, hook = world('budget: 0.15 USD/month\n          alerts: { at: ["50%", "90%"] }')
expect(ask(gw, ana)):is(200)
wait_for("the log", function() return gw.process.err:find("budget alert level=acme/payments period=month percent=90", 1, true) end)
expect(count(gw)):is(1)
expect(#hook.requests):is(0)

test "a receiver that is down makes nobody wait"
local gw, ana, hook = world('budget: 1.50 USD/day\n          alerts: { at: ["10%"], to: [webhook] }')
hook.options.hold = true
for _ = 1, 10 do expect(ask(gw, ana)):is(200) end
hook:wait(1)

test "what is no threshold and no receiver is said at the start"
local gw = gateway { policies = org('alerts: { at: ["80", "0%"], to: [log, mail], of: x }'), start = false }
local e = gw:cli { "check" }.err
expect(e):has('a part of the budget is 1% to 1000%, like "80%"')
expect(e):has('unknown word "mail"')
expect(e):has('unknown key "of"')
