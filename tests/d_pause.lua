-- SPDX-License-Identifier: Apache-2.0
-- A script that waits for people comes back later: paused, and resumed.

local NOON = "2026-08-21T12:00:00Z"

local function world(o)
	o = o or {}
	local n = 0
	local shop = mcp_server "shop" { tools = { { name = "price", annotations = { readOnlyHint = true }, result = function(a)
		n = n + 1
		return { content = json.array {}, structuredContent = { n = n } }
	end }, "ship", "sell_tea" } }
	local gw = gateway { servers = { shop = shop }, clock = NOON, policies = rules("allow: shop/*",
		'approve: shop/sell_*\n    reason: "A sale is seen by a person"', "allow: code:run") }
	local key = gw:dev()
	gw:wait_tools(key, 5)
	return gw, key, shop
end

local function lua(c, code, resume)
	local r = c:call("lua", { code = code, resume = resume })
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

local function waiting(gw)
	local out = {}
	for _, r in ipairs(gw:ok { "approve", "--list", "--json" }.json) do
		if r.state == "waiting" then out[#out + 1] = r.id end
	end
	return out
end

local function calls(c) return tonumber(c:get("/metrics").body:match("tollgate_run_calls_total (%d+)")) end

-- Runs it until it is paused; its text.  One that is resumed asks nothing new: it waits where it did when it has made as
-- many calls as before.
local made = {}
local function paused(gw, key, code, resume, questions)
	local text, failed
	local c, looks = gw:mcp(key), gw:client()
	local before = calls(looks)
	spawn(function() text, failed = lua(c, code, resume) end)
	local until_ms = now() + 10000
	while (#waiting(gw) < (questions or 1) or calls(looks) - before < (made[resume] or 0)) and now() < until_ms and not text do end
	expect(text):is(nil)
	gw:advance("31s")
	wait_for("the pause", function() return text end)
	expect(failed):is(false)
	local id = text:match("^paused run (r%w+): waiting for approval of\n")
	made[id] = calls(looks) - before
	return text, id
end

local function count(shop)
	local out = {}
	for _, c in ipairs(shop.calls) do out[c.name] = (out[c.name] or 0) + 1 end
	return out
end

test "a script that waits for an approval is paused, and goes on where it stopped"
local gw, key, shop = world()
local text, id = paused(gw, key, [[
local a = shop.price{}.n
shop.ship{n = a}
shop.sell_tea{n = 1}
return {a = a, r = math.random(1000000), t = os.time()}]])
expect(text):has('shop.sell_tea{"n":1} (d_')
expect(text):has('lua{code="", resume="' .. id .. '"}')
expect(count(shop)):same { price = 1, ship = 1 }
local again, same = paused(gw, key, "", id) -- nobody has answered: it waits again, with the same question
expect(same):is(id)
expect(again):is(text)
gw:ok { "approve", waiting(gw)[1] }
local value, failed = lua(gw:mcp(key), "", id)
expect(failed):is(false)
expect(json.decode(value).a):is(1)
expect(json.decode(value).t):is(1787313600) -- noon: the time at which it began
expect(count(shop)):same { price = 1, ship = 1, sell_tea = 1 }

test "kill -9 between the pause and the yes, and between the yes and the end"
local gw, key, shop = world()
local text, id = paused(gw, key, [[
local r = pmap({1, 2, 3}, function(i)
  local n = shop.price{}.n
  shop.ship{n = n}
  if i == 2 then shop.sell_tea{n = i} end
  return n
end)
return json.encode(r)]])
expect(count(shop)):same { price = 3, ship = 3 }
gw:kill9()
gw:start()
gw:wait_tools(key, 5)
gw:ok { "approve", waiting(gw)[1] }
gw:kill9()
gw:start()
gw:wait_tools(key, 5)
expect((lua(gw:mcp(key), "", id))):matches("^%[%d,%d,%d%]$")
expect(count(shop)):same { price = 3, ship = 3, sell_tea = 1 }
expect((lua(gw:mcp(key), "", id))):has("has ended well")
gw:restart()
gw:wait_tools(key, 5)
expect((lua(gw:mcp(key), "", id))):has("there is no run") -- what ended well leaves nothing on the disk

test "questions of one script are told together"
local gw, key, shop = world()
local text, id = paused(gw, key, "pmap({1,2,3}, function(i) return shop.sell_tea{n=i} end) return 'sold'", nil, 3)
expect(text):matches('shop.sell_tea x3: {"n":1} %(d_%w+%), {"n":2} %(d_%w+%), {"n":3} %(d_%w+%)')
for _, d in ipairs(waiting(gw)) do gw:ok { "approve", d } end
expect((lua(gw:mcp(key), "", id))):is("sold")
expect(count(shop)):same { sell_tea = 3 }

test "a no is an error that the script can catch; other code goes on, too"
local gw, key, shop = world()
local text, id = paused(gw, key, "shop.ship{n=1} local ok, e = pcall(shop.sell_tea, {n=1}) return e.code")
gw:ok { "approve", waiting(gw)[1], "--deny", "--reason", "no" }
expect((lua(gw:mcp(key), "", id))):is("denied")
text, id = paused(gw, key, "shop.ship{n=2} shop.sell_tea{n=2} return 1")
expect((lua(gw:mcp(key), "shop.ship{n=2} return 'never mind'", id))):is("never mind")
expect(count(shop)):same { ship = 2 }

test "a client that goes away takes its questions with it"
local gw, key, shop = world()
local c = gw:client(key)
c:send(c:bytes { method = "POST", path = "/mcp", headers = { accept = "application/json, text/event-stream",
	["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "lua" },
	body = json.encode { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "lua",
		arguments = { code = "return shop.sell_tea{n=100}" }, _meta = { ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
		["io.modelcontextprotocol/clientCapabilities"] = { x = true }, ["io.modelcontextprotocol/clientInfo"] = { name = "t", version = "1" } } } } })
local until_ms = now() + 10000
while #waiting(gw) == 0 and now() < until_ms do end
c:close()
while #waiting(gw) > 0 and now() < until_ms do end
expect(#waiting(gw)):is(0)

test "kill -9 while a resumed script waits, before it is paused: what waited was not sent"
local gw, key, shop = world()
local text = lua(gw:mcp(key), "shop.ship{n = 1} error('x')")
local id = text:match('resume="(r%w+)"')
local code = "shop.ship{n = 1} shop.sell_tea{n = 2} return 'sold'"
spawn(function() pcall(lua, gw:mcp(key), code, id) end)
local until_ms = now() + 10000
while #waiting(gw) < 1 and now() < until_ms do end
gw:kill9()
gw:start()
gw:wait_tools(key, 5)
gw:ok { "approve", waiting(gw)[1] }
expect((lua(gw:mcp(key), code, id))):is("sold")
expect(count(shop)):same { ship = 1, sell_tea = 1 }
