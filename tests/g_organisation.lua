-- SPDX-License-Identifier: Apache-2.0
-- What the whole organisation may spend, above all its customers.  A request costs 0.15 USD.

local PRICES = "version: 1\ndate: 2026-08-01\nmodels:\n  claude-sonnet-4-6: { input: 0, output: 15000, max_output: 10 }\n"
local COST = 150000000
local BODY = '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'

-- Two customers with room of their own, and whoever belongs to neither.
local function files(said, rules)
	return {
		["root/org.yaml"] = "version: 1\norganisation:\n  contact: \"#finance\"\n" .. said .. [[
  customers:
    acme:
      contact: "#acme"
      teams:
        payments:
          budget: 100 USD/month
          users: { ana: {}, bob: {} }
    globex: { budget: 50 USD/month }
]],
		["root/models.yaml"] = "version: 1\npolicy: models\napplies_to: \"*\"\nrules:\n" ..
			(rules or '  - allow: "model:*"\n'),
	}
end

local function world(said, more)
	local up = provider { usage = { input_tokens = 0, output_tokens = 10 } }
	local o = { providers = { anthropic = up }, prices = PRICES, clock = "2026-08-21T12:00:00Z", policies = files(said) }
	for k, v in pairs(more or {}) do o[k] = v end
	local gw = gateway(o)
	return gw, up, gw:key { name = "ana", user = "ana" }, gw:key { name = "globex", customer = "globex" }, gw:key { name = "stray" }
end

local function ask(gw, key) return gw:client(key):post("/anthropic/v1/messages", BODY) end
local function level(gw, key, name)
	for _, l in ipairs(gw:client(key):get("/v1/quota").json.levels) do
		if l.level == name then return l end
	end
end
local function write(gw, said)
	sys.write_file(gw.folder .. "/policies/root/org.yaml", files(said)["root/org.yaml"])
	gw:ok { "reload" }
end

test "a dollar a month for the company refuses a team that has room, and says whose it is and whom to ask"
local gw, up, ana, globex, stray = world("  budget: 1 USD/month\n")
for _ = 1, 3 do expect(ask(gw, ana).status):is(200) end
for _ = 1, 2 do expect(ask(gw, globex).status):is(200) end
expect(ask(gw, stray).status):is(200)
-- 0.90 of 1.00: the seventh has no room, whoever asks.
for _, key in ipairs { ana, globex, stray } do
	local r = ask(gw, key)
	expect(r.status):is(429)
	expect(r.json.error.type):is("billing_error")
	expect(r.json.error.message):has("budget exhausted: the organisation has used or reserved 0.90 of 1.00 USD this month; " ..
		"resets 2026-09-01 00:00 UTC; ask #finance")
end
expect(#up.requests):is(6)
-- Nothing was taken from those below for what was refused.
expect(level(gw, ana, "team").budgets[1].used_nusd):is(3 * COST)
expect(level(gw, globex, "customer").budgets[1].used_nusd):is(2 * COST)
local all = level(gw, stray, "organisation")
expect(all.name):is("the organisation")
expect(all.budgets[1]):has { period = "month", limit_nusd = 1000000000, used_nusd = 6 * COST, held_nusd = 0, left_nusd = 100000000,
	resets_at = "2026-09-01T00:00:00Z" }
expect(gw:ok { "quota", "--key", "stray" }.out):matches("the organisation +month +used 0.90")
expect(gw:client(ana):get("/me").json.levels[4]):has { level = "organisation" }
local e = gw:cli { "policy", "explain", "--user", "ana", "--call", "model:claude-sonnet-4-6" }.out
expect(e):has("acme > payments > ana")
expect(e):has("budget the organisation 1.00 USD/month (root/org.yaml:4)")
-- A new month begins for all of them.
gw:advance("252h")
expect(ask(gw, stray).status):is(200)
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "of 100 concurrent requests of three owners, those that a company's room is for are admitted, and kill -9 settles them at what they held"
local gw, up, ana, globex, stray = world("  budget: 3 USD/month\n")
up.options.hold = true
local admitted, refused, other = 0, 0, {}
for i = 1, 100 do
	spawn(function()
		local ok, r = pcall(ask, gw, ({ ana, globex, stray })[i % 3 + 1])
		if ok and r.status == 429 then refused = refused + 1
		elseif ok and r.status ~= 200 then other[#other + 1] = r.status
		else admitted = admitted + 1 end
	end)
end
wait_for("80 refusals", function() return refused >= 80 end)
wait_for("20 at the provider", function() return #up.requests >= 20 end)
expect(level(gw, stray, "organisation").budgets[1]):has { held_nusd = 20 * COST, used_nusd = 0, left_nusd = 0 }
gw:kill9()
up.options.hold = false
gw:start()
expect({ refused, #up.requests }):same { 80, 20 }
expect(other):same {}
expect(level(gw, stray, "organisation").budgets[1]):has { held_nusd = 0, used_nusd = 20 * COST, left_nusd = 0 }
expect(ask(gw, globex).status):is(429)

test "what was spent counts from before there was a budget; adding, changing and removing it never resets"
local gw, up, ana, globex, stray = world("")
for _, key in ipairs { ana, globex, stray, stray } do expect(ask(gw, key).status):is(200) end
expect(level(gw, stray, "organisation")):is(nil)
write(gw, "  budget: [0.60 USD/day, 9 USD/year]\n")
expect(ask(gw, ana).json.error.message):has("the organisation has used or reserved 0.60 of 0.60 USD this day")
write(gw, "  budget: 0.75 USD/day\n")
expect(ask(gw, ana).status):is(200)
write(gw, "")
expect(ask(gw, stray).status):is(200)
write(gw, "  budget: 0.90 USD/week\n")
expect(ask(gw, globex).status):is(429)
-- The database has no word of the organisation: it is the sum of what it has.
gw:restart()
expect(level(gw, ana, "organisation").budgets[1]):has { period = "week", used_nusd = 6 * COST, left_nusd = 0 }
expect(ask(gw, globex).status):is(429)

test "alerts and grants know the organisation, over a restart"
local hook = provider {}
local gw, up, ana, globex, stray = world('  budget: 0.45 USD/day\n  alerts: { at: ["60%", "100%"], to: [log, webhook] }\n',
	{ yaml = string.format('webhooks: { url: "%s/hook", secret: env:HOOK_SECRET }\n', hook.url), env = { HOOK_SECRET = "a-secret-of-the-receiver" } })
expect(ask(gw, ana).status):is(200)
expect(ask(gw, stray).status):is(200)
hook:wait(1)
expect(hook.requests[1].json.data):has { level = "the organisation", period = "day", percent = 60, used_nusd = 2 * COST, contact = "#finance" }
gw:kill9()
gw:start()
expect(ask(gw, globex).status):is(200)
hook:wait(2)
expect(hook.requests[2].json.data.percent):is(100)
expect(ask(gw, globex).status):is(429)
local g = gw:ok { "budget", "grant", "organisation", "0.15", "--until", "2099-01-01", "--reason", "quarter's end", "--json" }.json
expect(g):has { level = "the organisation", nusd = COST }
expect(ask(gw, globex).status):is(200)
expect(ask(gw, globex).json.error.message):has("0.60 of 0.60 USD")
gw:restart()
expect(level(gw, globex, "organisation").budgets[1]):has { granted_nusd = COST, left_nusd = 0 }
gw:ok { "budget", "grant", "the organisation", "0.15", "--until", "2099-01-01", "--reason", "again" }
expect(ask(gw, globex).status):is(200)
expect(gw:audit()):has { name = "budget.grant", level = "the organisation", reason = "again" }

test "the organisation's limit is one bucket for all, or one for each; a rule may count for all, too"
local gw, up, ana, globex, stray = world("  limit: [{ requests: 3/hour }, { requests: 2/hour, per: key }]\n")
for _, key in ipairs { ana, ana, stray } do expect(ask(gw, key).status):is(200) end
local r = ask(gw, globex)
expect(r.status):is(429)
expect(r.json.error.message):has("limit reached: the organisation has used its 3 requests/hour (ask #finance)")
expect(level(gw, stray, "organisation").limits[1]):has { limit = "requests", per = "organisation", used = 3, left = 0 }
expect(level(gw, stray, "organisation").limits[2]):has { per = "key", used = 1, left = 1 }
-- The ledger tells after a restart, also of a key whose owner is gone.
gw:stop()
sys.write_file(gw.folder .. "/policies/root/org.yaml", (files("  limit: { requests: 3/hour }\n")["root/org.yaml"]:gsub("ana: {}, ", "")))
gw:start()
expect(ask(gw, globex).json.error.message):has("limit reached: the organisation")
gw:advance("2h")
expect(ask(gw, globex).status):is(200)
local gw, up, ana, globex, stray = world("", { policies = files("",
	'  - allow: "model:*"\n    limit: { requests: 2/hour, per: organisation }\n') })
for _, key in ipairs { ana, stray } do expect(ask(gw, key).status):is(200) end
expect(ask(gw, globex).json.error.message):has("limit reached: the organisation has used its 2 requests/hour of model:* · policy models:5")

test "models on the organisation are granted to everybody, and no other to anybody"
local two = "models: { claude-sonnet-4-6: { provider: anthropic }, claude-opus-5-5: { provider: anthropic } }\n"
local gw, up, ana, globex, stray = world("", { yaml = two, policies = files("  models: [claude-opus-5-5]\n") })
for _, key in ipairs { ana, globex, stray } do expect(ask(gw, key).status):is(403) end
expect(#up.requests):is(0)
local gw, up, ana, globex, stray = world("", { policies = files("  models: [claude-sonnet-4-6]\n", "  - allow: code:run\n") })
for _, key in ipairs { ana, globex, stray } do expect(ask(gw, key).status):is(200) end
expect(gw:cli({ "policy", "explain", "--user", "ana", "--call", "model:claude-opus-5-5" }).out):has("models: the organisation:4 -> not listed")

test "an organisation that observes lets pass, and the roll-out tells whom it would have refused"
local gw, up, ana, globex, stray = world("  enforcement: observe\n  budget: 0.15 USD/month\n")
for _, key in ipairs { ana, stray, globex } do expect(ask(gw, key).status):is(200) end
local out = gw:ok { "policy", "rollout", "--since", "36500d" }.out
expect(out):has("globex: 1 would be refused; first claude-sonnet-4-6: budget exhausted: the organisation has used")
expect(level(gw, ana, "organisation").budgets[1]):has { used_nusd = 3 * COST, left_nusd = 0 }

test "before it is in force: who may say it, what makes no sense below it, what a change changes, what the last of many is told"
local gw = world("  budget: 40 USD/month\n")
local new = gw.folder .. "/new"
os.execute("cp -r " .. gw.folder .. "/policies " .. new)
sys.write_file(new .. "/root/org.yaml", files("  budget: 60 USD/month\n  limit: { requests: 9/hour }\n")["root/org.yaml"])
local d = gw:cli { "policy", "diff", gw.folder .. "/policies", new, "--fail-on", "widen" }
expect(d.code):is(1)
expect(d.out):has("+ the organisation budget, USD/month: 40.00 -> 60.00")
expect(d.out):has("- the organisation limit of requests/hour per organisation: none -> 9")
expect(gw:cli({ "policy", "lint" }).err):has("the budget of acme/payments (100.00 USD/month) is more than that of the organisation " ..
	"(40.00, root/org.yaml:4), which refuses first")
sys.write_file(gw.folder .. "/policies/root/all_test.yaml", [[
suite: company
given: { as: { user: ana }, now: "2026-08-31T12:00:00Z" }
cases:
  - repeat: ["model:claude-sonnet-4-6"]
    times: 5
    each: { cost: 10 USD }
    expect_last: deny
    because: budget
]])
expect(gw:ok({ "policy", "test" }).out):has("ok 1")
os.execute("mkdir -p " .. gw.folder .. "/policies/customers/acme")
sys.write_file(gw.folder .. "/policies/customers/acme/own.yaml", "version: 1\norganisation: { budget: 1000 USD/month }\n")
local c = gw:cli { "check" }
expect(c.code):is(1)
expect(c.err):has("own.yaml:2:17: the organisation's own settings stand in root/ only")
