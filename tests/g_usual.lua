-- SPDX-License-Identifier: Apache-2.0
-- hold: usual.  A token costs 0.015 USD here, a request of 1,000 tokens 15 USD at worst; most take one.

local PRICES = "version: 1\ndate: 2026-08-01\nmodels:\n  claude-sonnet-4-6: { input: 0, output: 15000, max_output: 1000 }\n"
local TOKEN, WORST = 15000000, 15000000000
local ASK = '{"model":"claude-sonnet-4-6","max_tokens":1000,"messages":[{"role":"user","content":"hi"}]}'
local STREAM = ASK:sub(1, 1) .. '"stream":true,' .. ASK:sub(2)

local function world(spending, options)
	options.usage = options.usage or { input_tokens = 1, output_tokens = 1 }
	local up = provider(options)
	local gw = gateway { providers = { anthropic = up }, prices = PRICES, policies = { ["root/all.yaml"] = string.format([[
version: 1
organisation:
  %s
  customers:
    acme:
      teams:
        payments:
          users: { ana: { budget: 16 USD/month } }
policy: models
applies_to: { customers: [acme] }
rules:
  - allow: "model:*"
]], spending) } }
	local ana = gw:dev()
	return gw, up, ana
end
local function ask(gw, key, body) return gw:client(key):post("/anthropic/v1/messages", body or ASK) end
local function quota(gw, key)
	for _, l in ipairs(gw:client(key):get("/v1/quota").json.levels) do
		if l.level == "user" then return l.budgets[1] end
	end
end
local function learn(gw, key) for _ = 1, 20 do expect(ask(gw, key).status):is(200) end end
local function last(gw, key)
	local rows = gw:audit()
	for i = #rows, 1, -1 do if rows[i].kind == key then return rows[i] end end
end

test "a key begins with the worst case, and holds what is usual once that is known; a restart begins anew"
local options = {}
local gw, up, ana = world("hold: usual", options)
learn(gw, ana)
options.hold = true
local done = 0
for _ = 1, 5 do spawn(function() if ask(gw, ana).status == 200 then done = done + 1 end end) end
up:wait(25) -- at the worst case the second would have been refused
expect(quota(gw, ana)):has { used_nusd = 20 * TOKEN, held_nusd = 5 * TOKEN * 3 // 2 }
up:release()
wait_for("five replies", function() return done == 5 end)
expect(quota(gw, ana)):has { used_nusd = 25 * TOKEN, held_nusd = 0 }
gw:restart()
options.hold = true
up.waiting, up.released = 0, 0
spawn(function() ask(gw, ana) end)
up:wait(26)
expect(quota(gw, ana).held_nusd):is(WORST)
up:release()

test "without it every request holds its worst case"
local options = {}
local gw, up, ana = world("hold: worst", options)
learn(gw, ana)
options.hold = true
spawn(function() ask(gw, ana) end)
up:wait(21)
expect(quota(gw, ana).held_nusd):is(WORST)
expect(ask(gw, ana).status):is(429)
up:release()

test "a stream that outgrows its hold tops it up, and a crash settles what it held last"
local options = { text = string.rep("x", 400), chunks = 6, usage = { input_tokens = 1, output_tokens = 1 } }
local gw, up, ana = world("hold: usual", options)
learn(gw, ana)
options.hold_after = 6
local c = gw:client(ana)
local r = c:stream("/anthropic/v1/messages", STREAM)
for _ = 1, 5 do r:event() end -- three pieces of a hundred tokens
wait_for("the top-up", function() return quota(gw, ana).held_nusd >= 200 * TOKEN end)
local held = quota(gw, ana).held_nusd
expect(held):below(WORST)
gw:kill9()
gw:start()
expect(quota(gw, ana)):has { used_nusd = 20 * TOKEN + held, held_nusd = 0 }
expect(last(gw, "model")):has { ["end"] = "crashed", hold_nusd = held, cost_nusd = held }
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "at_cap: cut ends a stream that no budget has room for, with an error event, and stops the provider"
local options = { text = string.rep("x", 400), chunks = 40, usage = { input_tokens = 1, output_tokens = 1 } }
local gw, up, ana = world("hold: usual", options)
learn(gw, ana)
options.usage = { input_tokens = 1, output_tokens = 4000 }
options.hold_after = 30
local r = gw:client(ana):stream("/anthropic/v1/messages", STREAM)
local events = {}
while true do
	local e = r:event()
	if not e then break end
	events[#events + 1] = e
end
local e = events[#events]
expect(e.event):is("error")
expect(e.json):has { type = "error" }
expect(e.json.error):has { type = "billing_error" }
expect(e.json.error.message):has("budget exhausted: acme/payments/ana")
expect(r.cut):is(nil)
for i = 1, #events - 1 do expect(events[i].json ~= nil, "event " .. i):is(true) end
up:wait_aborted(1)
local q = quota(gw, ana)
expect(q.held_nusd):is(0)
expect(q.used_nusd):above(14000000000)
expect(q.used_nusd):below(16000000000 + 200 * TOKEN) -- at most the piece that came too late
expect(last(gw, "model")):has { ["end"] = "cut", detail = "at_cap", estimated = true }
expect(ask(gw, ana).status):is(429)

test "at_cap: finish lets it end, and what it really cost is settled"
local options = { text = string.rep("x", 400), chunks = 40, usage = { input_tokens = 1, output_tokens = 1 } }
local gw, up, ana = world("hold: usual\n  at_cap: finish", options)
learn(gw, ana)
options.usage = { input_tokens = 1, output_tokens = 4000 }
local r = ask(gw, ana, STREAM)
expect(r.status):is(200)
expect(r.body):has("message_stop")
wait_for("its end", function() return quota(gw, ana).held_nusd == 0 end)
expect(quota(gw, ana).used_nusd):is(4020 * TOKEN)
expect(last(gw, "model")):has { ["end"] = "ok", detail = "at_cap", cost_nusd = 4000 * TOKEN }
expect(ask(gw, ana).status):is(429)

test "a reply that names no usage costs the worst case, whatever is usual, and teaches nothing"
local options = {}
local gw, up, ana = world("hold: usual", options)
learn(gw, ana)
options.body = '{"content":[]}'
for i = 1, 3 do
	expect(ask(gw, ana, (ASK:gsub("1000", "100"))).status):is(200)
	expect(last(gw, "model")):has { hold_nusd = TOKEN * 3 // 2, cost_nusd = 100 * TOKEN }
end
options.body, options.hold = nil, true
spawn(function() ask(gw, ana) end)
up:wait(24)
expect(quota(gw, ana).held_nusd):is(TOKEN * 3 // 2)
up:release()
