-- SPDX-License-Identifier: Apache-2.0
-- The journal of a run: what was done is not done again.

local NOON = "2026-08-21T12:00:00Z"

local function tool(name, readonly, result)
	return { name = name, annotations = readonly and { readOnlyHint = true } or nil,
		inputSchema = { type = "object", properties = { id = { type = "integer" }, to = { type = "string" } } }, result = result }
end

local function world(o)
	o = o or {}
	local n = 0
	local function answer(a)
		n = n + 1
		return { content = json.array {}, structuredContent = { id = a.id, n = n } }
	end
	local shop = mcp_server "shop" { era = o.era, tls = o.tls, yaml = o.tls and "ca_file: " .. o.tls.cert, tools = { tool("price", true, answer), tool("sell", false, answer),
		tool("ship", false, answer), tool("fail", false, function()
			return { content = json.array { { type = "text", text = "out of stock" } }, isError = true }
		end), table.unpack(o.tools or {}) } }
	local gw = gateway { servers = { shop = shop }, clock = o.clock, yaml = o.yaml, policies = rules("allow: shop/*", "allow: code:run", table.unpack(o.rules or {})) }
	local key = gw:dev()
	gw:wait_tools(key, 6 + #(o.tools or {}))
	return gw, key, shop
end

local function client(gw, key, session)
	local c = gw:mcp(key)
	c.session = session
	return c
end

local function lua(c, code, resume)
	local r = c:call("lua", { code = code, resume = resume })
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

local function run_of(text) return text:match('resume="(r%w+)"') end

local function count(shop)
	local out = {}
	for _, c in ipairs(shop.calls) do out[c.name] = (out[c.name] or 0) + 1 end
	return out
end

test "a script that fails at its end is fixed and resumed: the server saw each write once"
local gw, key, shop = world()
local c = client(gw, key)
local text, failed = lua(c, [[
local sum = 0
for i = 1, 3 do sum = sum + shop.price{id = i}.id; shop.sell{id = i} end
return sum + nothing.at.all]])
expect(failed):is(true)
expect(text):has("done: shop.price x3, shop.sell x3 (run r")
local id = run_of(text)
expect(text):has('(run ' .. id .. '; pass resume="' .. id .. '" to keep them)')
text, failed = lua(c, [[
local sum = 0
for i = 1, 3 do sum = sum + shop.price{id = i}.id; shop.sell{id = i} end
return sum]], id)
expect(failed):is(false)
expect(text):is("6")
expect(count(shop)):same { price = 3, sell = 3 }
text, failed = lua(c, "return 1", id) -- it has ended well
expect(failed):is(true)
expect(text):has("there is nothing to resume")
gw:stop()
local rows = {}
for _, row in ipairs(gw:audit()) do if row.kind == "run" then rows[#rows + 1] = row end end
expect(rows[1]):has { run = id, detail = "RUNTIME" }
expect(rows[2]):has { run = id, detail = "DONE", replayed = 6 }

test "a script that used up its calls is resumed and goes on: what is done does not count again"
local gw, key, shop = world()
local c = client(gw, key, "s1")
local code = "for i = 1, 230 do shop.sell{id=i} end return 'all'"
local text = lua(c, code)
expect(text):has "error (CALLS) line 1: the tool-call budget of this run is used up (100 calls)"
expect(text):has "or resume: what is done is not counted again"
local run = run_of(text)
text = lua(c, code, run)
expect(text):has "used up (200 calls)"
expect(#shop.calls):is(200)
expect(lua(c, code, run)):is "all"
expect(#shop.calls):is(230)
for i, call in ipairs(shop.calls) do expect(call.args.id):is(i) end

test "after the first difference reads are made again, writes never"
local gw, key, shop = world()
local c = client(gw, key)
local text = lua(c, "shop.price{id=1} shop.sell{id=1} shop.price{id=2} shop.sell{id=2} shop.sell{id=2} error('x')")
text = lua(c, [[
shop.price{id=1}
shop.ship{id=9} -- new: from here on the world may be another
shop.sell{id=2} shop.sell{id=1} shop.price{id=2} shop.sell{id=2}
shop.sell{id=2} -- a third one is new
error('y')]], run_of(text))
expect(count(shop)):same { price = 3, sell = 4, ship = 1 }
expect(text):has("done: shop.price x2, shop.sell x4, shop.ship")
text = lua(c, "shop.sell{id=2} return 'ok'", run_of(text)) -- and once more
expect(text):is("ok")
expect(count(shop)):same { price = 3, sell = 4, ship = 1 }

test "branches of a pmap are known by where they are, not by when they are answered"
local gw, key, shop = world()
local c = client(gw, key)
local code = [[
local r = pmap({5, 4, 3, 2, 1}, function(v, i)
  local a = shop.sell{id = v}
  if i % 2 == 0 then shop.price{id = a.n} end
  return a.n + shop.ship{id = v}.n
end)
]]
local text = lua(c, code .. "error(json.encode(r))")
local first = text:match("%[[%d,]+%]")
text = lua(c, code .. "return json.encode(r)", run_of(text))
expect(text):is(first)
expect(count(shop)):same { sell = 5, ship = 5, price = 2 }

test "what failed is made again"
local gw, key, shop = world()
local c = client(gw, key)
local text = lua(c, "shop.sell{id=1} shop.fail{id=1}")
expect(text):has("out of stock")
expect(text):has("done: shop.sell (run")
lua(c, "shop.sell{id=1} shop.fail{id=1}", run_of(text))
expect(count(shop)):same { sell = 1, fail = 2 }
expect((lua(c, "error('x')"))):lacks("resume") -- nothing was done

test "a fix that does not compile, or is refused as it stands, takes nothing away"
local gw, key, shop = world()
local c = client(gw, key)
local id = run_of((lua(c, "shop.price{id=1} shop.sell{id=1} error('x')")))
for _, wrong in ipairs { "shop.price{id=1} shop.sell{id=1} return )", "shop.price{id=1} shop.sell{id='one'}" } do
	local text, failed = lua(c, wrong, id)
	expect(failed):is(true)
	expect(text):has("done: shop.sell (run " .. id)
end
expect((lua(c, "shop.price{id=1} shop.sell{id=1} return 'ok'", id))):is("ok")
expect(count(shop)):same { price = 1, sell = 1 }

test "the same seed and the same time; a random write is found again"
local gw, key, shop = world()
local c = client(gw, key)
local text = lua(c, "local n = math.random(1000000) shop.sell{id = n, to = tostring(os.time())} error('x')")
lua(c, "local n = math.random(1000000) shop.sell{id = n, to = tostring(os.time())} return 1", run_of(text))
expect(count(shop)):same { sell = 1 }

test "a run is its key's and its session's; to all others it was never there"
local gw, key, shop = world()
local other = gw:key { name = "other", customer = "acme", team = "payments", user = "ana" }
local text = lua(client(gw, key, "one"), "shop.sell{id=1} error('x')")
local id = run_of(text)
local unknown
for _, c in ipairs { client(gw, key, "two"), client(gw, key), client(gw, other, "one") } do
	local why, failed = lua(c, "return 1", id)
	expect(failed):is(true)
	expect(why):has('there is no run "' .. id .. '" of this session')
end
expect((lua(client(gw, key, "one"), "return 1", "r000000"))):has('there is no run "r000000" of this session')
expect((lua(client(gw, key, "one"), "shop.sell{id=1} return 'ok'", id))):is("ok")
expect(#shop.calls):is(1)

test "a failed run outlives a gateway that is killed; its end comes with time, or with its key"
local gw, key, shop = world { clock = NOON }
local c = client(gw, key)
local id = run_of((lua(c, "shop.sell{id=1} shop.price{id=2} error('x')")))
gw:kill9()
gw:start()
gw:wait_tools(key, 6)
c = client(gw, key)
local text = lua(c, "shop.sell{id=1} shop.price{id=2} shop.ship{id=3} error('y')", id)
expect(count(shop)):same { sell = 1, price = 1, ship = 1 }
gw:kill9()
gw:start()
gw:wait_tools(key, 6)
gw:advance("23h")
gw:restart() -- a worker that is just being killed looks hung to a clock that jumps
gw:wait_tools(key, 6)
c = client(gw, key)
text = lua(c, "shop.sell{id=1} shop.price{id=2} shop.ship{id=3} error('z')", id)
expect(count(shop)):same { sell = 1, price = 1, ship = 1 }
gw:advance("25h")
gw:restart() -- a worker that is just being killed looks hung to a clock that jumps
gw:wait_tools(key, 6)
c = client(gw, key)
text = lua(c, "return 1", id)
expect(text):has("there is no run")
id = run_of((lua(c, "shop.sell{id=11} error('x')")))
gw:ok { "key", "revoke", "dev" }

test "a gateway that is killed between request and answer knows that it does not know"
local gw, key, shop = world { tools = { { name = "hold", hang = true }, { name = "look", hang = true, annotations = { readOnlyHint = true } } } }
local c = client(gw, key)
local id = run_of((lua(c, "shop.sell{id=1} error('x')")))
spawn(function() pcall(lua, c, "shop.sell{id=1} pmap({'hold', 'look'}, function(n) shop[n]{} end)", id) end)
wait_for("both calls", function() return count(shop).hold and count(shop).look end)
gw:kill9()
gw:start()
gw:wait_tools(key, 8)
shop:release()
c = client(gw, key)
local text = lua(c, "shop.sell{id=1} pmap({'hold', 'look'}, function(n) shop[n]{} end)", id)
expect(text):has("unknown_outcome")
expect(text):has("sent, and not known if done: shop.hold")
expect(count(shop)):same { sell = 1, hold = 1, look = 2 }
text = lua(c, "shop.sell{id=1} shop.look{} return 'without it'", id)
expect(text):is("without it")

test "an answer that is too large to be kept: the read is made again, the write is not"
local big = ("x"):rep(300000)
local function large() return { content = json.array { { type = "text", text = big } } } end
local gw, key, shop = world { tools = { tool("read", true, large), tool("write", false, large) } }
local c = client(gw, key)
local code = "local a, b = #shop.read{id=1}, #shop.write{id=1} "
local text = lua(c, code .. "error('x')")
text = lua(c, code .. "return a + b", run_of(text))
expect(text):has("not_kept")
expect(count(shop)):same { read = 2, write = 1 }

test "runs: { keep: 0s } writes nothing of it to the disk"
local function secret() return { content = json.array { { type = "text", text = "pine-apple-juice" } } } end
for _, yaml in ipairs { "runs: { keep: 0s }\n", "runs: { keep: 1h, pause_after: 1m }\n" } do
	local gw, key, shop = world { yaml = yaml, tools = { tool("tell", false, secret) } }
	local c = client(gw, key)
	local id = run_of((lua(c, "S.x = shop.tell{} error('x')")))
	lua(c, "S.x = 'mango-' .. 'juice'")
	gw:stop() -- applies everything
	local db = read_file(gw.data .. "/tollgate.db") .. (read_file(gw.data .. "/tollgate.db-wal") or "")
	local kept = yaml:find("1h") ~= nil
	expect(db:find("pine-apple-juice", 1, true) ~= nil):is(kept)
	expect(db:find("mango-juice", 1, true) ~= nil):is(kept)
	gw:start()
	gw:wait_tools(key, 7)
	local text = lua(client(gw, key), "S.x = shop.tell{} return 'again'", id)
	expect(text):has(kept and "again" or "there is no run")
end

test "a call that found nobody to talk to was not made: it is made when the run is resumed"
for _, tls in ipairs { false, certificate { name = "localhost" } } do
	local gw, key, shop = world { tls = tls }
	local c = client(gw, key)
	local code = "shop.sell{id=1} shop.ship{id=2} return 'all'"
	local id = run_of((lua(c, "shop.sell{id=1} error('x')")))
	-- Nobody listens there any more; or somebody else does, who cannot prove to be it.
	local other = tls and certificate { name = "localhost" }
	shop.door.shut()
	if tls then
		shop.tls.cert, shop.tls.key = other.cert, other.key
		shop.door.open()
	end
	local text, failed = lua(c, code, id)
	expect(failed):is(true)
	expect(text, "the one that failed"):lacks("not known if done")
	expect(text):has("done: shop.sell (run " .. id)
	local kind = lua(c, "local ok, e = pcall(shop.ship, {id=3}) return e.code .. ' ' .. tostring(e.retryable)")
	expect(kind):is("upstream true")
	if tls then
		shop.door.shut()
		shop.tls.cert, shop.tls.key = tls.cert, tls.key
	end
	shop.door.open()
	expect((lua(c, code, id))):is("all")
	expect(count(shop)):same { sell = 1, ship = 1 }
end

test "a call that was sent and whose connection broke may have been made: it is not made again"
local gw, key, shop = world { tools = { { name = "hold", hang = true } } }
local c = client(gw, key)
local id = run_of((lua(c, "shop.sell{id=1} error('x')")))
local code = "shop.sell{id=1} shop.hold{} return 'all'"
local text
spawn(function() text = lua(c, code, id) end)
wait_for("the call", function() return count(shop).hold end)
shop.door.shut()
wait_for("the end", function() return text end)
expect(text):has("sent, and not known if done: shop.hold")
shop.door.open()
expect((lua(client(gw, key), code, id))):has("unknown_outcome")
expect(count(shop)):same { sell = 1, hold = 1 }

test "an HTTP error of a gateway that waited in vain does not say that nothing was done; one of a door that was shut does"
-- Each answer, and whether the call is made again by `resume`.
local answers = {
	{ 502, "<html>Bad Gateway" }, { 504, "" }, { 500, "oops" }, { 503, "upstream connect error or disconnect/reset before headers" }, { 524, "" },
	{ 503, "", { ["retry-after"] = "5" }, again = true }, { 501, "", again = true }, { 429, "", { ["retry-after"] = "1" }, again = true },
	{ 401, "", again = true },
}
for _, era in ipairs { "modern", "legacy" } do
	local tools = {}
	for i, a in ipairs(answers) do tools[i] = { name = "t" .. i, http = a } end
	local gw, key, shop = world { era = era, tools = tools }
	local c = client(gw, key)
	for i, a in ipairs(answers) do
		local code = "shop.sell{id=" .. i .. "} shop.t" .. i .. "{}"
		local text, failed = lua(c, code)
		expect(failed):is(true)
		expect(text):has("HTTP " .. a[1])
		expect(text:find("not known if done: shop.t" .. i, 1, true) == nil, tostring(a[1])):is(a.again or false)
		text = lua(c, code, run_of(text))
		expect(text, tostring(a[1])):has(a.again and "HTTP " .. a[1] or "unknown_outcome")
		expect(count(shop)["t" .. i], tostring(a[1])):is(a.again and 2 or 1)
	end
	expect(count(shop).sell):is(#answers)
	-- Only what may go better another time is worth trying again.
	local function retryable(i) return (lua(c, "local ok, e = pcall(shop.t" .. i .. ", {}) return tostring(e.retryable)")) end
	expect({ retryable(1), retryable(6), retryable(8), retryable(9) }):same { "nil", "true", "true", "nil" }
end

test "a JSON-RPC error that a broken connection or an accident is behind leaves it open; one about the request does not"
local gw, key, shop = world { tools = { { name = "params", error = { -32602, "no such account" } }, { name = "url", error = { -32042, "sign in" } },
	{ name = "inside", error = { -32603, "oops" } }, { name = "closed", error = { -32000, "Connection closed" } }, { name = "late", error = { -32001, "Request timed out" } } } }
local c = client(gw, key)
for name, made in pairs { params = 2, url = 2, inside = 1, closed = 1, late = 1 } do
	local code = "shop.sell{id=1} shop." .. name .. "{}"
	local text = lua(c, code)
	lua(c, code, run_of(text))
	expect(count(shop)[name], name):is(made)
end
