-- SPDX-License-Identifier: Apache-2.0
-- Money: reserved before it is spent, settled to what it cost.
--
-- Prices are 3 USD (15 out, 3.75 at the dearest input side) per million tokens.  A request of
-- exactly 400 bytes with max_tokens 1,000 may cost 400 x 3.75 + 1,000 x 15 = 16,500 millionths of a
-- dollar: its hold.  A reply of 550 output tokens costs half of that.

local HOLD = 0.0165

local function policies(budget)
	return {
		["root/org.yaml"] = string.format([[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        payments:
          users:
            ana: { budget: %s }
]], budget),
		["root/models.yaml"] = [[
version: 1
policy: models
owner: "#models"
applies_to: { customers: [acme] }
rules:
  - allow: "model:*"
]],
	}
end

local function zoned(zone, budget)
	local files = policies(budget)
	files["root/org.yaml"] = files["root/org.yaml"]:gsub("zone: UTC", "zone: " .. zone)
	return files
end

local function body_of(bytes)
	local head = '{"model":"claude-sonnet-4-6","max_tokens":1000,"messages":[{"role":"user","content":"'
	return head .. string.rep("x", bytes - #head - 4) .. '"}]}'
end
local BODY = body_of(400)

local function rich(budget, options, more)
	local up = provider(options)
	local o = { providers = { anthropic = up }, policies = policies(budget) }
	for k, v in pairs(more or {}) do o[k] = v end
	local gw = gateway(o)
	return gw, up, gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
end

local function quota(gw, key)
	local q = gw:client(key):get("/v1/quota")
	expect(q.status):is(200)
	for _, level in ipairs(q.json.levels) do
		if level.level == "user" then return level.budgets[1] end
	end
end

test "of 200 concurrent requests on a key with room for 50, exactly 50 are admitted"
local gw, up, key = rich("0.83325 USD/month", { hold = true, usage = { input_tokens = 0, output_tokens = 550 } })
expect(#BODY):is(400)
local admitted, refused, other = 0, 0, {}
for _ = 1, 200 do
	spawn(function()
		local r = gw:client(key):post("/anthropic/v1/messages", BODY)
		if r.status == 200 then
			admitted = admitted + 1
		elseif r.status == 429 and r.json.error.type == "billing_error" and r.headers["x-should-retry"] == "false" then
			refused = refused + 1
		else
			other[#other + 1] = { r.status, r.body }
		end
	end)
end
wait_for("the first 50 at the provider", function() return #up.requests >= 50 end)
wait_for("150 refusals", function() return refused + #other >= 150 end)
expect(other):same {}
expect(#up.requests):is(50)
expect(quota(gw, key).held_nusd):is(825000000)
-- Settled at half price there is room for exactly 50 more, one after the other.
up:release()
wait_for("50 replies", function() return admitted == 50 end)
expect(refused):is(150)
expect(quota(gw, key)):has { held_nusd = 0, used_nusd = 412500000 }
for i = 1, 50 do
	expect(gw:client(key):post("/anthropic/v1/messages", BODY).status, "request " .. i):is(200)
end
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(429)
expect(quota(gw, key)):has { held_nusd = 0, used_nusd = 825000000 }
expect(#up.requests):is(100)
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "a failed request costs nothing, and its hold is given back"
local gw, up, key = rich("1 USD/month", { status = 500, body = { type = "error" } })
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(500)
expect(quota(gw, key)):has { held_nusd = 0, used_nusd = 0 }

test "a client that leaves before the reply gives its hold back"
local gw, up, key = rich("1 USD/month", { hold = true })
local c = gw:client(key)
c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY })
up:wait(1)
expect(quota(gw, key).held_nusd):is(16500000)
c:close()
up:wait_aborted(1)
wait_for("the hold to be settled", function() return quota(gw, key).held_nusd == 0 end)

test "cache tokens are charged at their own prices"
local gw, up, key = rich("1 USD/month", { usage = { input_tokens = 100, output_tokens = 10,
	cache_creation_input_tokens = 1000, cache_read_input_tokens = 2000 } })
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)
-- 100 x 3 + 10 x 15 + 1,000 x 3.75 + 2,000 x 0.30 = 4,800 millionths
expect(quota(gw, key).used_nusd):is(4800000)
expect(gw:client(key):post("/anthropic/v1/messages", BODY:sub(1, 1) .. '"stream":true,' .. BODY:sub(2)).status):is(200)
wait_for("the stream's cost", function() return quota(gw, key).used_nusd == 9600000 end)

test "an empty budget is told with the time until it is full again, and is full again then"
local gw, up, key = rich("0.017 USD/day", { usage = { input_tokens = 0, output_tokens = 1000 } }, { clock = "2026-08-21T10:00:00Z" })
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)
local r = gw:client(key):post("/anthropic/v1/messages", BODY)
expect(r.status):is(429)
expect(tonumber(r.headers["retry-after"])):above(13 * 3600)
expect(tonumber(r.headers["retry-after"])):below(14 * 3600 + 2)
gw:advance("13h")
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(429)
gw:advance("61m")
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)

test "usage by key agrees with what the provider told"
local gw, up, key = rich("10 USD/month", { usage = { input_tokens = 7, output_tokens = 3 } })
for _ = 1, 5 do gw:client(key):post("/anthropic/v1/messages", BODY) end
local row = gw:ok { "usage", "--by", "key", "--json" }.json
row = row[1] and row[1] or row
expect(row):has { requests = 5, input_tokens = up.usage.input_tokens, output_tokens = up.usage.output_tokens,
	cost_nusd = 5 * (7 * 3000 + 3 * 15000) }

test "a day is the zone's day, whatever TZ the gateway has; another zone keeps what was used"
-- 10:00 in UTC is 15:30 in Kolkata, whose day ends at 18:30 UTC.
local gw, up, key = rich("0.017 USD/day", { usage = { input_tokens = 0, output_tokens = 1000 } },
	{ clock = "2026-08-21T10:00:00Z", env = { TZ = "America/Lima" }, policies = zoned("Asia/Kolkata", "0.017 USD/day") })
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)
expect(quota(gw, key).resets_at):is("2026-08-21T18:30:00Z")
local r = gw:client(key):post("/anthropic/v1/messages", BODY)
expect(r.status):is(429)
expect(r.json.error.message):has("resets 2026-08-22 00:00 Asia/Kolkata")
expect(r.headers["retry-after"]):is("30600")
-- In New York the day ends at 04:00 UTC.
sys.write_file(gw.folder .. "/policies/root/org.yaml", zoned("America/New_York", "0.017 USD/day")["root/org.yaml"])
gw:ok { "reload" }
expect(quota(gw, key)):has { used_nusd = 15000000, resets_at = "2026-08-22T04:00:00Z" }
gw:advance("17h")
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(429)
gw:advance("61m")
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)
-- After a restart the ledger says the same.
gw:restart()
expect(quota(gw, key)):has { used_nusd = 15000000, resets_at = "2026-08-23T04:00:00Z" }

test "ten engineers, 500 USD a month for the team and 75 for each: either threshold refuses"
local users = {}
for i = 0, 9 do users[#users + 1] = string.format("            u%d: { budget: 75 USD/month }", i) end
local up = provider { usage = { input_tokens = 0, output_tokens = 1000 } }
local gw = gateway { providers = { anthropic = up }, clock = "2026-08-31T23:00:00Z",
	-- A thousand tokens are 25 USD.
	prices = "version: 1\ndate: 2026-08-01\nmodels:\n  claude-sonnet-4-6: { input: 0, output: 25000, max_output: 1000 }\n",
	policies = { ["root/org.yaml"] = "version: 1\norganisation:\n  zone: Europe/London\n  customers:\n    acme:\n      teams:\n        payments:\n" ..
		"          budget: 500 USD/month\n          users:\n" .. table.concat(users, "\n") .. "\n",
		["root/models.yaml"] = policies("1 USD/day")["root/models.yaml"] } }
local keys = {}
for i = 0, 9 do keys[i] = gw:key { name = "key" .. i, customer = "acme", team = "payments", user = "u" .. i } end
local function ask(i) return gw:client(keys[i]):post("/anthropic/v1/messages", BODY) end
-- August ends at 23:00 UTC in London: this is September, for everybody.
for i = 0, 5 do
	for _ = 1, 3 do expect(ask(i).status):is(200) end
	local r = ask(i)
	expect(r.status):is(429)
	expect(r.json.error.message):has("budget exhausted: acme/payments/u" .. i .. " has used or reserved 75.00 of 75.00 USD this month")
end
for _ = 1, 2 do expect(ask(6).status):is(200) end
for i = 6, 9 do
	local r = ask(i)
	expect(r.status):is(429)
	expect(r.json.error.message):has("budget exhausted: acme/payments has used or reserved 500.00 of 500.00 USD this month; resets 2026-10-01 00:00 Europe/London")
end
expect(#up.requests):is(20)
local team = gw:client(keys[9]):get("/v1/quota").json.levels[2].budgets[1]
expect(team):has { used_nusd = 500000000000, left_nusd = 0, resets_at = "2026-09-30T23:00:00Z" }
