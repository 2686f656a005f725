-- SPDX-License-Identifier: Apache-2.0
-- A limit of how many at once: a script's calls wait for a place, all other limits refuse.

local function world(limit, o)
	o = o or {}
	local w = { open = 0, most = 0 }
	local shop = mcp_server "shop" { tools = { { name = "work", result = function(a)
		w.open = w.open + 1
		w.most = math.max(w.most, w.open)
		if o.together then wait_for(o.together .. " at once", function() return w.most >= o.together end) end
		w.open = w.open - 1
		return { content = json.array {}, structuredContent = { id = a.id } }
	end }, { name = "hold", hang = true }, "other" } }
	local gw = gateway { servers = { shop = shop }, policies = rules("allow: shop/*\n    limit: " .. limit, "allow: code:run") }
	local key = gw:dev()
	gw:wait_tools(key, 5)
	return gw, key, shop, w
end

local function lua(c, code)
	local r = c:call("lua", { code = code })
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

-- Until so many calls stand in line.
local function waiting(gw, n)
	local c, until_ms, got = gw:client(), now() + 10000, nil
	repeat got = tonumber(c:get("/metrics").body:match("tollgate_limit_waiting (%d+)\n"))
	until got == n or now() > until_ms
	expect(got, "calls in line"):is(n)
end

local function rows(gw, name)
	local n, refused = 0, {}
	for _, row in ipairs(gw:audit()) do
		if row.name == name then n = n + 1 end
		if row.name == name and row.verdict ~= "ok" then refused[#refused + 1] = row.verdict end
	end
	return n, refused
end

local PMAP = [[
local list = {}
for i = 1, 20 do list[i] = i end
local rs = pmap(list, function(v) return shop.work{id = v}.id end)
return table.concat(rs, ",")]]
local ALL = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20"

test "pmap of 20 where 4 may run at once: all are made, 4 at once, in order, and nothing is refused"
local gw, key, shop, w = world("{ concurrent: 4 }", { together = 4 })
local text, failed = lua(gw:mcp(key), PMAP)
expect(failed, text):is(false)
expect(text):is(ALL)
expect(w.most):is(4)
local n, refused = rows(gw, "shop/work")
expect(n):is(20)
expect(#refused):is(0)
expect(gw:client():get("/metrics").body):has('tollgate_passes_total{verdict="refused"} 0\n')

test "places that others hold are waited for, too: another run's, a client's own call's"
local gw, key, shop, w = world("{ concurrent: 2 }")
for i = 1, 2 do spawn(function() gw:mcp(key):call("shop__hold", {}) end) end
shop:wait_calls(2)
local done = {}
for i = 1, 2 do spawn(function() done[i] = lua(gw:mcp(key), PMAP) end) end
waiting(gw, 16)
-- A client's own call is not made to wait.
local r = gw:mcp(key):call("shop__other", {})
expect(r.isError):is(true)
expect(r.content[1].text):has("is at its 2 at once")
expect(#shop.calls):is(2)
shop:release()
wait_for("both scripts", function() return done[1] and done[2] end)
expect(done[1]):is(ALL)
expect(done[2]):is(ALL)
expect(w.most <= 2, "at once: " .. w.most):is(true)
waiting(gw, 0)

test "a script that goes away while its calls wait leaves the place to the others"
local gw, key, shop = world("{ concurrent: 1 }")
spawn(function() gw:mcp(key):call("shop__hold", {}) end)
shop:wait_calls(1)
local leaver = gw:client(key)
leaver:send(leaver:bytes { method = "POST", path = "/mcp", headers = { accept = "application/json, text/event-stream",
	["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "lua" },
	body = json.encode { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "lua",
		arguments = { code = PMAP }, _meta = { ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
		["io.modelcontextprotocol/clientCapabilities"] = { x = true }, ["io.modelcontextprotocol/clientInfo"] = { name = "t", version = "1" } } } } })
waiting(gw, 8)
local text
spawn(function() text = lua(gw:mcp(key), "return shop.work{id = 5}.id") end)
waiting(gw, 9)
leaver:close()
waiting(gw, 1)
shop:release()
wait_for("the other one", function() return text end)
expect(text):is("5")

test "another limit refuses as before, also one that is met while a place is waited for"
local gw, key, shop = world("[{ concurrent: 2 }, { calls: 5/hour }]")
local text, failed = lua(gw:mcp(key), PMAP)
expect(failed):is(true)
expect(text):has("rate_limited")
expect(text):has("5 calls/hour")
text = lua(gw:mcp(key), "local ok, e = pcall(shop.work, {id = 1}) return e.code")
expect(text):is("rate_limited")
expect(#shop.calls):is(5)

test "whose key is revoked while his calls wait is told so, and nothing is called"
local gw, key, shop = world("{ concurrent: 1 }")
spawn(function() gw:mcp(key):call("shop__hold", {}) end)
shop:wait_calls(1)
local r
spawn(function() r = gw:mcp(key):call("lua", { code = PMAP }) end)
waiting(gw, 8)
gw:ok { "key", "revoke", "dev" }
wait_for("the end", function() return r end)
expect(#shop.calls):is(1)
waiting(gw, 0)
