-- SPDX-License-Identifier: Apache-2.0
-- Limits: how often, how much, how many at once; on every level and on rules.  Time is moved by hand.

local BODY = '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'
local NOON = "2026-08-21T12:00:00Z"

local function policies(team, user, rules)
	return {
		["root/org.yaml"] = string.format([[
version: 1
organisation:
  zone: UTC
  contact: "#gate"
  customers:
    acme:
      teams:
        payments:
          %s
          users:
            ana: { %s }
            bob: {}
]], team or "contact: \"#gate\"", user or ""),
		["root/tools.yaml"] = 'version: 1\npolicy: tools\nowner: "#tools"\napplies_to: { teams: [payments] }\nrules:\n' ..
			(rules or '  - allow: "model:*"\n  - allow: "shop/*"\n  - allow: code:run\n'),
	}
end

local function world(team, user, rules, options)
	local up, shop = provider(options or {}), mcp_server "shop" { tools = { "price", "order" } }
	local gw = gateway { providers = { anthropic = up }, servers = { shop = shop }, clock = NOON,
		policies = policies(team, user, rules) }
	wait_for("the server", function() return gw:client():get("/metrics").body:find('server_tools{server="shop"} 1', 1, true) or
		gw:client():get("/metrics").body:find('server_tools{server="shop"} 2', 1, true) end)
	local ana = gw:key { name = "ana-laptop", customer = "acme", team = "payments", user = "ana" }
	local bob = gw:key { name = "bob-laptop", customer = "acme", team = "payments", user = "bob" }
	return gw, ana, bob, up, shop
end

local function ask(gw, key) return gw:client(key):post("/anthropic/v1/messages", BODY) end

local function last_row(gw, verdict)
	local rows = gw:audit()
	for i = #rows, 1, -1 do
		if rows[i].verdict == verdict then return rows[i] end
	end
end

test "a team's requests are counted together; the one too many is told when, and that is true"
local gw, ana, bob, up = world("limit: { requests: 3/minute }")
for _, key in ipairs { ana, bob, ana } do expect(ask(gw, key).status):is(200) end
local r = ask(gw, bob)
expect(r.status):is(429)
expect(r.json.error.type):is("rate_limit_error")
expect(r.json.error.message):matches("acme/payments")
expect(r.json.error.message):matches("3 requests/minute")
expect(r.json.error.message):matches("#gate")
expect(r.headers["retry-after"]):is("20")
expect(r.headers["x-should-retry"]):is(nil)
expect(#up.requests):is(3)
local row = last_row(gw, "rate_limited")
expect(row):has { kind = "model", limit = "root/org.yaml:9" }
gw:advance("19s")
expect(ask(gw, ana).headers["retry-after"]):is("1")
gw:advance("1s")
expect(ask(gw, ana).status):is(200)
expect(ask(gw, bob).status):is(429)
gw:advance("1h") -- never more than the burst, however long nobody came
for _ = 1, 3 do expect(ask(gw, ana).status):is(200) end
expect(ask(gw, ana).status):is(429)
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "a user's limit is hers alone, and what is refused takes nothing from her team"
local gw, ana, bob, up = world("limit: { requests: 4/minute }", "limit: { requests: 1/hour }")
expect(ask(gw, ana).status):is(200)
for _ = 1, 5 do
	local r = ask(gw, ana)
	expect(r.status):is(429)
	expect(r.headers["retry-after"]):is("3600")
	expect(r.json.error.message):matches("acme/payments/ana")
end
for _ = 1, 3 do expect(ask(gw, bob).status):is(200) end
expect(ask(gw, bob).status):is(429)

test "per: key gives each key of a team its own"
local gw, ana, bob = world("limit: { requests: 1/minute, per: key }")
expect(ask(gw, ana).status):is(200)
expect(ask(gw, bob).status):is(200)
local r = ask(gw, ana)
expect(r.status):is(429)
expect(r.json.error.message):matches("key ana%-laptop")

test "calls of tools are answered in the conversation: which limit, whose, and when"
local gw, ana, bob, up, shop = world("limit: { calls: 2/day }")
local c = gw:mcp(ana)
for _ = 1, 2 do expect(not c:call("shop__price").isError):is(true) end
local r = c:call("shop__price")
expect(r.isError):is(true)
local text = r.content[1].text
expect(text):matches("acme/payments")
expect(text):matches("2 calls/day")
expect(text):matches("try again in 43200 s")
expect(last_row(gw, "rate_limited")):has { kind = "tool", name = "shop/price", limit = "root/org.yaml:9" }
expect(ask(gw, ana).status):is(200) -- a model request is no call
gw:advance("12h")
c = gw:mcp(ana) -- the old connection was idle for too long
expect(not c:call("shop__price").isError):is(true)
expect(c:call("shop__price").isError):is(true)

test "a script is a call, and each of its calls is one; it can catch the refusal"
local gw, ana = world("limit: { calls: 3/day }")
local r = gw:mcp(ana):call("lua", { code = [[
local n, why = 0
for _ = 1, 5 do
	local ok, e = pcall(shop.price, {})
	if ok then n = n + 1 else why = e end
end
return n .. " " .. tostring(why.message or why)]] })
expect(not r.isError):is(true)
expect(r.content[1].text):matches("2 ")
expect(r.content[1].text):matches("3 calls/day")
expect(r.content[1].text):matches("try again in")

test "no more at once than the limit; whoever leaves makes room, however that ended"
local gw, ana, bob, up = world("limit: { concurrent: 2 }", nil, nil, { hold = true })
local done = {}
for i = 1, 2 do spawn(function() done[i] = ask(gw, ana).status end) end
up:wait(2)
local r = ask(gw, bob)
expect(r.status):is(429)
expect(r.json.error.message):matches("2 at once")
expect(r.headers["retry-after"]):is(nil)
up:release()
wait_for("both replies", function() return done[1] == 200 and done[2] == 200 end)
expect(ask(gw, bob).status):is(200)

test "a client that leaves gives its place back; a crash leaves none taken"
local gw, ana, bob, up = world("limit: { concurrent: 1 }", nil, nil, { hold = true })
local c = gw:client(ana)
c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY })
up:wait(1)
expect(ask(gw, bob).status):is(429)
c:close()
up:wait_aborted(1)
up:release()
wait_for("the place", function() return ask(gw, bob).status == 200 end)

test "what was in flight at a crash holds no place afterwards"
local gw, ana, bob, up = world("limit: { concurrent: 1 }", nil, nil, { hold = true })
local c = gw:client(ana)
c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY })
up:wait(1)
expect(ask(gw, bob).status):is(429)
gw:kill9()
gw:start()
up:release()
expect(ask(gw, bob).status):is(200)

test "a reload keeps what was taken, also where the line moved or the amount changed"
local gw, ana = world("limit: { requests: 2/hour }")
for _ = 1, 2 do expect(ask(gw, ana).status):is(200) end
expect(ask(gw, ana).status):is(429)
local org = gw.folder .. "/policies/root/org.yaml"
local text = read_file(org)
sys.write_file(org, "# moved\n" .. text)
gw:ok { "reload" }
local r = ask(gw, ana)
expect(r.status):is(429)
expect(last_row(gw, "rate_limited").limit):is("root/org.yaml:10")
sys.write_file(org, (text:gsub("requests: 2", "requests: 3")))
gw:ok { "reload" }
expect(ask(gw, ana).status):is(200) -- one more than before, not three
expect(ask(gw, ana).status):is(429)

test "quota shows each limit: taken, left, and when it is whole again"
local gw, ana, bob = world("limit: { requests: 10/minute, concurrent: 5 }", "limit: { calls: 7/day }")
ask(gw, ana)
ask(gw, bob)
local q = gw:client(ana):get("/v1/quota").json
local team, user
for _, level in ipairs(q.levels) do
	if level.level == "team" then team = level end
	if level.level == "user" then user = level end
end
expect(team.limits[1]):has { limit = "requests", amount = 10, period = "minute", per = "team", used = 2, held = 0, left = 8,
	full_at = "2026-08-21T12:00:12Z" }
expect(team.limits[2]):has { limit = "concurrent", amount = 5, used = 0, held = 0, left = 5 }
expect(user.limits[1]):has { limit = "calls", amount = 7, period = "day", left = 7 }
local shown = gw:ok { "quota", "--key", "ana-laptop" }.out
expect(shown):matches("acme/payments")
expect(shown):matches("2 of 10 requests/minute")

test "an allow with a limit: this many calls, whatever else grants them, for each key"
local gw, ana, bob, up, shop = world(nil, nil, [[
  - allow: shop/price
    limit: { calls: 2/hour }
  - allow: "shop/*"
]])
local c = gw:mcp(ana)
for _ = 1, 2 do expect(not c:call("shop__price").isError):is(true) end
local r = c:call("shop__price")
expect(r.isError):is(true)
expect(r.content[1].text):matches("key ana%-laptop has used its 2 calls/hour of shop/price")
expect(r.content[1].text):matches("policy tools:6")
expect(r.content[1].text):matches("ask #tools")
expect(r.content[1].text):matches("try again in 1800 s")
expect(last_row(gw, "rate_limited")):has { name = "shop/price", limit = "root/tools.yaml:7" }
expect(not c:call("shop__order").isError):is(true)
expect(not gw:mcp(bob):call("shop__price").isError):is(true)
local q = gw:client(ana):get("/v1/quota").json
expect(q.rule_limits[1]):has { of = "shop/price", policy = "tools:6", limit = "calls", per = "key", used = 2, left = 0 }
expect(gw:ok { "quota", "--key", "ana-laptop" }.out):matches("shop/price +limit +2 of 2 calls/hour, per key")

test "a limit rule bounds whoever grants, per user, and for the arguments it speaks of"
local gw, ana, bob = world(nil, nil, [[
  - allow: "shop/*"
  - limit: "shop/*"
    to: { calls: 1/minute, per: user }
    when: { item: { equals: gold } }
]])
local c = gw:mcp(ana)
expect(not c:call("shop__price", { item = "gold" }).isError):is(true)
expect(c:call("shop__order", { item = "gold" }).isError):is(true)
expect(not c:call("shop__order", { item = "tin" }).isError):is(true)
expect(c:call("shop__order", { item = { "gold" } }).isError):is(true) -- what cannot be judged is counted
expect(not gw:mcp(bob):call("shop__order", { item = "gold" }).isError):is(true)

test "per: run counts within one script, and each script has its own"
local gw, ana = world(nil, nil, [[
  - allow: code:run
  - allow: shop/price
    limit: { calls: 2/day, per: run }
]])
local code = { code = [[
local n = 0
for _ = 1, 5 do if pcall(shop.price, {}) then n = n + 1 end end
return n]] }
for _ = 1, 3 do expect(gw:mcp(ana):call("lua", code).content[1].text):matches("2") end
expect(not gw:mcp(ana):call("shop__price").isError):is(true)

test "a limit of a model: both names count as one, and a reload keeps it where rules came before it"
local gw, ana = world(nil, nil, [[
  - allow: "model:*"
  - limit: "model:claude-*"
    to: { requests: 1/hour, per: team }
]])
expect(ask(gw, ana).status):is(200)
expect(ask(gw, ana).headers["retry-after"]):is("3600")
local file = gw.folder .. "/policies/root/tools.yaml"
sys.write_file(file, (read_file(file):gsub("rules:\n", "rules:\n  - allow: code:run\n")))
gw:ok { "reload" }
expect(ask(gw, ana).status):is(429)
expect(last_row(gw, "rate_limited").limit):is("root/tools.yaml:9")

test "tokens are held at their most and settled to what was used"
local gw, ana, bob, up = world("limit: { tokens: 1000/minute }", nil, nil,
	{ usage = { input_tokens = 100, output_tokens = 50, cache_read_input_tokens = 250 } })
for _ = 1, 2 do expect(ask(gw, ana).status):is(200) end
local q = gw:client(ana):get("/v1/quota").json
expect(q.levels[2].limits[1]):has { limit = "tokens", used = 800, held = 0, left = 200 }
expect(ask(gw, bob).status):is(200) -- holds its body and 10 tokens, which fits
local r = ask(gw, bob)
expect(r.status):is(429)
expect(r.json.error.message):matches("1000 tokens/minute")
gw:advance(r.headers["retry-after"] .. "s")
expect(ask(gw, ana).status):is(200)

test "a request that may use more than the limit waits for all of it, and holds it alone"
local gw, ana, bob, up = world("limit: { tokens: 50/minute }", nil, nil,
	{ usage = { input_tokens = 20, output_tokens = 5 }, hold = true })
local first
spawn(function() first = ask(gw, ana).status end)
up:wait(1)
local r = ask(gw, bob)
expect(r.status):is(429)
expect(r.headers["retry-after"]):is(nil)
up:release()
wait_for("the first", function() return first == 200 end)
expect(ask(gw, bob).headers["retry-after"]):is("30")
gw:advance("30s")
expect(ask(gw, bob).status):is(200)

test "a restart gives nothing that an hour or a day has not"
local gw, ana, bob = world("limit: { requests: 2/day, calls: 100/minute }", nil, [[
  - allow: "model:*"
  - allow: shop/price
    limit: { calls: 1/hour }
]])
for _ = 1, 2 do expect(ask(gw, ana).status):is(200) end
expect(not gw:mcp(ana):call("shop__price").isError):is(true)
gw:advance("6h")
gw:restart()
local r = ask(gw, bob)
expect(r.status):is(429)
expect(tonumber(r.headers["retry-after"])):above(21600) -- a quarter's use counts at its end
expect(tonumber(r.headers["retry-after"])):below(22501)
wait_for("the server", function() return gw:client():get("/metrics").body:find('server_tools{server="shop"} 2', 1, true) end)
expect(not gw:mcp(ana):call("shop__price").isError):is(true)
gw:restart()
wait_for("the server", function() return gw:client():get("/metrics").body:find('server_tools{server="shop"} 2', 1, true) end)
expect(gw:mcp(ana):call("shop__price").isError):is(true)

test "a budget without room takes nothing from a limit, and the longer wait is told"
local gw, ana = world("limit: { requests: 1/day }", "budget: 0.000001 USD/month")
for _ = 1, 3 do expect(ask(gw, ana).json.error.type):is("billing_error") end
expect(gw:client(ana):get("/v1/quota").json.levels[2].limits[1].used):is(0)

test "of 100 concurrent requests on three keys of a team with room for 20, exactly 20 are admitted"
local gw, ana, bob, up = world("limit: { requests: 20/minute }", nil, nil, { hold = true })
local more = gw:key { name = "more", customer = "acme", team = "payments" }
local admitted, refused = 0, 0
for i = 1, 100 do
	spawn(function()
		local status = ask(gw, ({ ana, bob, more })[i % 3 + 1]).status
		if status == 200 then admitted = admitted + 1 elseif status == 429 then refused = refused + 1 end
	end)
end
wait_for("80 refusals", function() return refused >= 80 end)
up:release()
wait_for("20 replies", function() return admitted >= 20 end)
expect(admitted):is(20)
expect(refused):is(80)
expect(#up.requests):is(20)

test "a rotated key goes on with what its limit has left"
local gw, ana = world("limit: { requests: 2/hour, per: key }")
expect(ask(gw, ana).status):is(200)
local new = gw:ok { "key", "rotate", "ana-laptop", "--overlap", "1h", "--json" }.json
expect(ask(gw, new.key).status):is(200)
expect(ask(gw, new.key).status):is(429)
expect(ask(gw, ana).status):is(429)
