-- SPDX-License-Identifier: Apache-2.0
-- S and last: what one script leaves for the next.

local function hub(o)
	o = o or {}
	local up = mcp_server "shop" { tools = { { name = "price", inputSchema = { type = "object",
		properties = { id = { type = "integer" } }, required = json.array { "id" } },
		result = function(a)
			return { content = json.array {}, structuredContent = { id = a.id, cents = a.id * 100 } }
		end } } }
	local gw = gateway { servers = { shop = up }, policies = rules("allow: shop/price", "allow: code:run"), clock = o.clock }
	local key = gw:dev()
	gw:wait_tools(key, 3)
	return gw, key, up
end

-- A client that names its session as Claude Code does.
local function client(gw, key, session)
	local c = gw:mcp(key)
	c.session = session
	return c
end

local function run(c, code)
	local r = c:call("lua", { code = code })
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

test "S is there for the next script of the session, and for no other session or key"
local gw, ana = hub()
local bob = gw:key { name = "other", customer = "acme", team = "payments", user = "ana" }
local c = client(gw, ana, "one")
expect(run(c, "S.n = (S.n or 0) + 1; S.list = {1, 2, 'x'}; S.none = nil; return S.n")):is("1")
expect(run(c, "S.n = S.n + 1; return {n = S.n, list = S.list}")):is('{"list":[1,2,"x"],"n":2}')
expect(run(c, "return 5")):is("5") -- a script that does not name it changes nothing
expect(run(c, "return S.n")):is("2")
expect(run(client(gw, ana, "two"), "return S.n == nil")):is("true")
expect(run(client(gw, bob, "one"), "return S.n == nil")):is("true")
expect(run(client(gw, ana), "S.here = 1; return S.n == nil")):is("true") -- no session: the key's own
expect(run(client(gw, ana), "return S.here")):is("1")

test "a script that fails leaves S as it was; nil empties it"
local gw, ana = hub()
local c = client(gw, ana, "one")
run(c, "S.n = 1")
local text, failed = run(c, "S.n = 2; shop.price{id='x'}")
expect(failed):is(true)
expect(run(c, "return S.n")):is("1")
run(c, "S = nil")
expect(run(c, "local n = 0 for k, v in pairs(S) do n = n .. tostring(k) .. tostring(v) end return n")):is("0")

test "S over its limit, and S that is no table, are errors that say so"
local gw, ana = hub()
local c = client(gw, ana, "one")
run(c, "S.n = 1")
local text, failed = run(c, "S.big = string.rep('x', 262144) return 'done'")
expect(failed):is(true)
expect(text):has("S has 262160 bytes of JSON (limit 262144)")
text, failed = run(c, "S.big = string.rep('x', 2000000) return 'done'")
expect(text):has("S is larger than 1000000 bytes of JSON (limit 262144)")
text, failed = run(c, "S = 5")
expect(failed):is(true)
expect(text):has("S is a table kept between scripts, not a number")
text, failed = run(c, "S.f = print")
expect(failed):is(true)
expect(run(c, "return S.n")):is("1")
expect(run(c, "S.big = string.rep('x', 262144 - 16) return #json.encode(S)")):is("262144")

test "last is the whole of what the previous script returned, cut or not"
local gw, ana = hub()
local c = client(gw, ana, "one")
expect(run(c, "return last == nil")):is("true")
local text = run(c, "local t = {} for i = 1, 5000 do t[i] = {id = i, s = 'row'} end return t")
expect(#text < 20000):is(true)
expect(run(c, "return {#last, last[4321].id}")):is("[5000,4321]")
expect(run(c, "return last[1]")):is("5000") -- of the script before
run(c, "return {a = 1}")
run(c, "error('no')") -- a failed script returned nothing: last stays
expect(run(c, "return last.a")):is("1")
expect(run(client(gw, ana, "two"), "return last == nil")):is("true")

test "S outlives a gateway that is killed; last does not; both end in time and with their key"
local gw, ana = hub { clock = "2026-08-21T12:00:00Z" }
local c = client(gw, ana, "one")
run(c, "S.n = 7 return 8")
gw:kill9()
gw:start()
gw:wait_tools(ana, 3)
c = client(gw, ana, "one")
expect(run(c, "return {S.n, last == nil}")):is("[7,true]")
gw:stop()
gw:start()
gw:wait_tools(ana, 3)
c = client(gw, ana, "one")
expect(run(c, "return S.n")):is("7")
gw:advance("23h")
gw:restart() -- a worker that is just being killed looks hung to a clock that jumps
gw:wait_tools(ana, 3)
c = client(gw, ana, "one") -- the old connection has been idle for too long
expect(run(c, "return S.n")):is("7") -- used: kept for another day
gw:advance("23h")
gw:restart()
gw:wait_tools(ana, 3)
c = client(gw, ana, "one")
expect(run(c, "return S.n")):is("7")
gw:advance("25h")
gw:restart() -- a worker that is just being killed looks hung to a clock that jumps
gw:wait_tools(ana, 3)
c = client(gw, ana, "one")
expect(run(c, "return S.n == nil")):is("true")
run(c, "S.secret = 'pineapple'")
gw:stop()
local function holds(word) return (read_file(gw.data .. "/tollgate.db") .. (read_file(gw.data .. "/tollgate.db-wal") or "")):find(word, 1, true) end
expect(holds("pineapple") ~= nil):is(true)
gw:start()
gw:ok { "key", "revoke", "dev" }
gw:stop()
local p = process({ "/bin/sh", "-c", "command -v sqlite3 >/dev/null || exit 3; sqlite3 tollgate.db 'SELECT count(*) FROM kept'" }, {}, gw.data)
if p:wait() == 0 then expect(p.out):is("0\n") end
