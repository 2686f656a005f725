-- SPDX-License-Identifier: Apache-2.0
-- What a script would do, what it did, and how far it is: --plan, replay, progress.

local function world(o)
	o = o or {}
	local shop = mcp_server "shop" { tools = { { name = "price", annotations = { readOnlyHint = true },
		inputSchema = { type = "object", properties = { id = { type = "integer" } } },
		result = function(a) return { content = json.array {}, structuredContent = { id = a.id, cents = (a.id or 0) * 100 } } end },
		{ name = "sell", inputSchema = { type = "object", properties = { id = { type = "integer" } } } },
		{ name = "hold", hang = true } } }
	local gw = gateway { servers = { shop = shop }, clock = o.clock, policies = rules("allow: shop/*", "allow: code:run") }
	local key = gw:dev()
	gw:wait_tools(key, 5)
	return gw, key, shop
end

-- A script in the gateway's folder.
local function file(gw, text)
	local path = gw.folder .. "/script.lua"
	local f = io.open(path, "w")
	f:write(text)
	f:close()
	return path
end

local function names(shop)
	local out = {}
	for i, c in ipairs(shop.calls) do out[i] = c.name end
	return out
end

local function lua(c, code, resume)
	local r = c:call("lua", { code = code, resume = resume })
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

test "a plan reads, and writes down the rest"
local gw, key, shop = world()
local c = gw:mcp(key)
local text = lua(c, [[--plan
local total = 0
for i = 1, 3 do
  total = total + shop.price{id = i}.cents
  shop.sell{id = i}
end
return total]])
expect(text):is('plan: 3 calls would be made, none was:\n  shop.sell{"id":1}\n  shop.sell{"id":2}\n  shop.sell{"id":3}\n600')
expect(names(shop)):same { "price", "price", "price" }
expect((lua(c, "--plan\nreturn shop.price{id=1}.cents"))):is("plan: 0 calls would be made, none was\n100")
text = lua(c, "--plan\nlocal r = shop.sell{id=1} return r.id.name")
expect(text):has('shop.sell{"id":1}')
expect(text):has("error line 2") -- what it would have returned is not known
expect(text):lacks("resume")
text = lua(c, "--plan\nshop.sell{id='x'}") -- checked all the same
expect(text):has("plan: 0 calls")
expect(text):has("invalid_args")
text = lua(c, "--plan\nfor i = 1, 90 do shop.sell{id = i} end for i = 1, 9 do shop.price{id = i} end S.n = 1")
expect(text):has("plan: 90 calls would be made")
expect((lua(c, "return S.n == nil"))):is("true") -- a plan leaves nothing
expect(#text < 9000):is(true)
for _, name in ipairs(names(shop)) do expect(name):is("price") end

test "the same from the shell"
local gw, key, shop = world()
local path = file(gw, "shop.price{id=1} shop.sell{id=2} return 'end'")
local r = gw:ok { "script", "run", path, "--key", "dev", "--plan", "--json" }.json
expect(r):has { ["end"] = "DONE", planned = 1, value = "end" }
expect(r.plan):has('shop.sell{"id":2}')
expect(gw:ok { "script", "run", path, "--key", "dev", "--plan" }.out):has('shop.sell{"id":2}')
expect(names(shop)):same { "price", "price" }
expect(gw:ok { "script", "run", path, "--key", "dev" }.out):is("end\n")
expect(names(shop)):same { "price", "price", "price", "sell" }

test "a run that failed is resumed from the shell"
local gw, key, shop = world()
local path = file(gw, "shop.sell{id=1} error('no')")
local r = gw:cli { "script", "run", path, "--key", "dev" }
expect(r.code):is(1)
local id = r.err:match("%(run (r%w+); %-%-resume")
file(gw, "shop.sell{id=1} return 'yes'")
expect(gw:ok { "script", "run", path, "--key", "dev", "--resume", id }.out):is("yes\n")
expect(names(shop)):same { "sell" }

test "replay makes a run again and calls nothing"
local gw, key, shop = world()
local c = gw:mcp(key)
local path = file(gw, "local t = pmap({3, 2, 1}, function(i) return shop.price{id = i}.cents end)\n" ..
	"print(math.random(1000)) print(os.time()) shop.sell{id = t[1]} return t")
local ran = gw:ok { "script", "run", path, "--key", "dev", "--json" }.json
expect(ran["end"]):is("DONE")
local calls = #shop.calls
local again = gw:ok { "script", "replay", ran.run, "--json" }.json
expect(again.value):same(ran.value)
expect(again.log):is(ran.log)
expect(again.replay):has { same = true, was = "DONE", stop = "" }
expect(again.replayed):is(4)
expect(gw:ok { "script", "replay", ran.run }.out):has("the same as then")
expect(#shop.calls):is(calls)
local text = lua(c, "shop.sell{id=1} error('x')")
local id = text:match('resume="(r%w+)"')
local r = gw:cli { "script", "replay", id }
expect(r.code):is(0)
expect(r.err):has("RUNTIME")
expect(r.out):has("the same as then")
expect(#shop.calls):is(calls + 1)
gw:restart() -- a run that failed is there after a restart, one that ended well is not
expect(gw:cli { "script", "replay", id }.code):is(0)
expect(gw:cli { "script", "replay", ran.run }.err):has("no run")
expect(#shop.calls):is(calls + 1)
gw:ok { "key", "revoke", "dev" }
expect(gw:cli { "script", "replay", id }.err):has("no run")

test "a client that wants to know is told which call is made, not more than once a second"
local gw, key, shop = world { clock = "2026-08-21T12:00:00Z" }
local c = gw:mcp(key)
local code = "for i = 1, 5 do shop.price{id = i} end return 'ok'"
c:rpc("tools/call", { name = "lua", arguments = { code = code } })
expect(#c.notes):is(0)
local r = c:rpc("tools/call", { name = "lua", arguments = { code = code }, _meta = { progressToken = "t1" } })
expect(r.content[1].text):is("ok")
expect(#c.notes):is(1)
expect(c.notes[1].method):is("notifications/progress")
expect(c.notes[1].params):has { progressToken = "t1", progress = 1, message = "call 1: shop.price" }
local done
spawn(function() done = c:rpc("tools/call", { name = "lua", arguments = { code = "shop.price{id=1} shop.hold{} shop.price{id=2} return 1" },
	_meta = { progressToken = "t2" } }) end)
wait_for("the call", function() return names(shop)[#shop.calls] == "hold" end)
gw:advance("2s")
shop:release()
wait_for("the end", function() return done end)
expect(c.notes[3].params):has { progressToken = "t2", progress = 3, message = "call 3: shop.price" }

test "a client that goes away ends its script and the call that was under way"
local gw, key, shop = world()
local c = gw:client(key)
c:send(c:bytes { method = "POST", path = "/mcp", headers = { accept = "application/json, text/event-stream",
	["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "lua" },
	body = json.encode { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "lua",
		arguments = { code = "shop.sell{id=1} shop.hold{} shop.sell{id=2}" }, _meta = { ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
		["io.modelcontextprotocol/clientCapabilities"] = { x = true }, ["io.modelcontextprotocol/clientInfo"] = { name = "t", version = "1" } } } } })
wait_for("the call", function() return names(shop)[#shop.calls] == "hold" end)
c:close()
wait_for("its end", function() return shop.aborted == 1 end)
expect(names(shop)):same { "sell", "hold" }
gw:stop()
local run
for _, row in ipairs(gw:audit()) do if row.kind == "run" then run = row end end
expect(run["end"]):is("cancelled")
