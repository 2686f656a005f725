-- SPDX-License-Identifier: Apache-2.0
-- Budgets beside the policy files': a key's own, and money given at run time.  A request of 10 output
-- tokens may cost 0.15 USD at most here, and does.

local PRICES = "version: 1\ndate: 2026-08-01\nmodels:\n  claude-sonnet-4-6: { input: 0, output: 15000, max_output: 10 }\n"
local COST = 150000000
local BODY = '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'
local NOON = "2026-08-21T12:00:00Z"

local function org(team)
	return string.format([[
version: 1
organisation:
  customers:
    acme:
      teams:
        payments:
          budget: %s
          users: { ana: {}, bob: {} }
policy: models
applies_to: { customers: [acme] }
rules:
  - allow: "model:*"
]], team or "100 USD/month")
end

local function world(team, more)
	local up = provider { usage = { input_tokens = 0, output_tokens = 10 } }
	local o = { providers = { anthropic = up }, prices = PRICES, clock = NOON, policies = { ["root/all.yaml"] = org(team) } }
	for k, v in pairs(more or {}) do o[k] = v end
	return gateway(o), up
end

local function ask(gw, key) return gw:client(key):post("/anthropic/v1/messages", BODY) end
local function level(gw, key, name)
	for _, l in ipairs(gw:client(key):get("/v1/quota").json.levels) do
		if l.level == name then return l.budgets end
	end
end
local function make(gw, name, user, budget)
	return gw:ok { "key", "create", "--json", "--name", name, "--user", user, "--budget", budget }.json
end

test "a key's own budgets bind it before its user's, over restart and rotation; another key has its own"
local gw = world()
local ci = make(gw, "ci", "ana", "0.30 USD/day, 1 USD/month")
local lap = gw:key { name = "laptop", customer = "acme", team = "payments", user = "ana" }
for _ = 1, 2 do expect(ask(gw, ci).status):is(200) end
local r = ask(gw, ci)
expect(r.status):is(429)
expect(r.json.error.message):has("budget exhausted: key ci has used or reserved 0.30 of 0.30 USD this day")
expect(ask(gw, lap).status):is(200)
expect(level(gw, lap, "key")):is(nil)
local own = level(gw, ci, "key")
expect(own[1]):has { period = "day", limit_nusd = 300000000, used_nusd = 2 * COST, left_nusd = 0 }
expect(own[2]):has { period = "month", used_nusd = 2 * COST }
expect(gw:ok { "key", "show", "ci", "--json" }.json.budget):is("0.30 USD/day, 1 USD/month")
expect(gw:ok { "quota", "--key", "ci" }.out):has("ci ")
gw:restart()
expect(level(gw, ci, "key")[1].used_nusd):is(2 * COST)
local new = gw:ok { "key", "rotate", "ci", "--overlap", "1h", "--json" }.json
expect(ask(gw, new).status):is(429)
-- The next day there is a day's room again, from the month.
gw:advance("12h")
expect(ask(gw, new).status):is(200)
expect(level(gw, new, "key")[2].used_nusd):is(3 * COST)

test "a key's budget can be changed; what was used stays used, also of a key that had none"
local gw = world()
local lap = gw:key { name = "laptop", customer = "acme", team = "payments", user = "ana" }
for _ = 1, 2 do expect(ask(gw, lap).status):is(200) end
gw:ok { "key", "budget", "laptop", "0.30 USD/day" }
expect(ask(gw, lap).status):is(429)
gw:ok { "key", "budget", "laptop", "0.45 USD/day" }
expect(ask(gw, lap).status):is(200)
gw:restart()
expect(ask(gw, lap).status):is(429)
gw:ok { "key", "budget", "laptop", "" }
expect(ask(gw, lap).status):is(200)
local r = gw:cli { "key", "budget", "laptop", "5 USD/hour" }
expect(r.code):is(1)
expect(r.err):has('unknown period "hour"')
expect(gw:cli { "key", "create", "--name", "x", "--user", "ana", "--budget", "5 EUR/day" }.err):has("a budget is in USD/day")
expect(gw:audit()):has { name = "key.budget", target_name = "laptop", budget = "0.45 USD/day" }

test "of 100 concurrent requests on a key with room for 20, exactly 20 are admitted, and its team sees them"
local gw, up = world()
local ci = make(gw, "ci", "ana", "3 USD/day")
up.options.hold = true
local admitted, refused = 0, 0
for _ = 1, 100 do
	spawn(function()
		local s = ask(gw, ci).status
		if s == 200 then admitted = admitted + 1 elseif s == 429 then refused = refused + 1 end
	end)
end
wait_for("80 refusals", function() return refused >= 80 end)
expect(level(gw, ci, "team")[1].held_nusd):is(20 * COST)
up:release()
wait_for("20 replies", function() return admitted >= 20 end)
expect({ admitted, refused }):same { 20, 80 }

test "a grant adds room until its end, through reload and restart; it is audited and shown"
local gw = world("0.30 USD/month")
local lap = gw:key { name = "laptop", customer = "acme", team = "payments", user = "ana" }
for _ = 1, 2 do expect(ask(gw, lap).status):is(200) end
expect(ask(gw, lap).status):is(429)
-- The command's clock is the host's: the end is told in nanoseconds.
local NOON_NS = 1787313600000000000
local admin = gw:ok { "key", "create", "--admin", "--name", "ops", "--json" }.json
local function grant(o)
	return gw:client(admin):post("/admin/api/budget/grant", json.encode(o))
end
local g = grant { level = "payments", usd = "0.30", until_ns = NOON_NS + 3600 * 1000000000, reason = "release week" }
expect(g.status):is(200)
expect(g.json):has { level = "acme/payments", nusd = 300000000, reason = "release week" }
expect(ask(gw, lap).status):is(200)
expect(level(gw, lap, "team")[1]):has { limit_nusd = 300000000, granted_nusd = 300000000, used_nusd = 3 * COST, left_nusd = COST }
expect(gw:ok { "quota", "--key", "laptop" }.out):has("of 0.300000 + granted 0.300000 USD")
sys.write_file(gw.folder .. "/policies/root/all.yaml", "# moved\n" .. org("0.30 USD/month"))
gw:ok { "reload" }
expect(ask(gw, lap).status):is(200)
expect(ask(gw, lap).json.error.message):has("0.60 of 0.60 USD")
gw:kill9()
gw:start()
expect(ask(gw, lap).status):is(429)
expect(level(gw, lap, "team")[1]):has { granted_nusd = 300000000, used_nusd = 4 * COST, left_nusd = 0 }
expect(gw:ok { "budget", "list", "--json" }.json[1].reason):is("release week")
gw:advance("61m")
expect(level(gw, lap, "team")[1].granted_nusd):is(nil)
expect(gw:ok { "budget", "list" }.out):is("no grants\n")
-- The next one forgets it.
expect(grant { level = "acme", usd = "1", until_ns = NOON_NS + 86400 * 1000000000, reason = "more" }.status):is(200)
local rows = gw:audit()
expect(rows):has { name = "budget.grant", kind = "admin", level = "acme/payments", nusd = 300000000, reason = "release week", target = g.json.id }
expect(rows):has { name = "budget.ended", actor = "gateway", target = g.json.id }
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "a grant is for a level that is there, an amount, a time to come and a reason; it can be taken back"
local gw = world("0.15 USD/month")
local lap = gw:key { name = "laptop", customer = "acme", team = "payments", user = "ana" }
local function refused(...)
	local r = gw:cli { "budget", "grant", ... }
	expect(r.code ~= 0):is(true)
	return r.err
end
expect(refused("nobody", "5", "--until", "2099-01-01", "--reason", "x")):has('"nobody" is no team, user or customer')
expect(refused("payments", "--until", "2099-01-01", "--reason", "x")):has("budget grant LEVEL AMOUNT")
expect(refused("payments", "5x", "--until", "2099-01-01", "--reason", "x")):has("an amount in USD")
expect(refused("payments", "5", "--until", "2020-01-01", "--reason", "x")):has("ends in the future")
expect(refused("payments", "5", "--until", "2099-01-01", "--reason", " ")):has("a reason")
expect(refused("payments", "5", "--until", "2099-01-01")):has("--reason")
expect(refused("key nobody", "5", "--until", "2099-01-01", "--reason", "x")):has("no key is called")
expect(ask(gw, lap).status):is(200)
expect(ask(gw, lap).status):is(429)
local g = gw:ok { "budget", "grant", "acme/payments", "5", "--until", "2099-01-01", "--reason", "x", "--json" }.json
expect(ask(gw, lap).status):is(200)
gw:ok { "budget", "revoke", g.id }
expect(ask(gw, lap).status):is(429)
expect(gw:cli { "budget", "revoke", g.id }.code):is(1)
gw:restart()
expect(ask(gw, lap).status):is(429)
