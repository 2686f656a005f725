-- SPDX-License-Identifier: Apache-2.0
-- Code Mode: one script, many calls, each through the same gate.

local function hub(up, ...)
	local gw = gateway { servers = { shop = up }, policies = rules(...) }
	return gw, gw:dev()
end

local function text_of(r)
	expect(r.error):is(nil)
	return r.content[1].text
end

local function price_server()
	return mcp_server "shop" { tools = { { name = "price", inputSchema = { type = "object",
		properties = { id = { type = "integer" } }, required = json.array { "id" } },
		result = function(a)
			return { content = json.array { { type = "text", text = "secret row " .. a.id } },
				structuredContent = { id = a.id, cents = a.id * 100 } }
		end }, "drop" } }
end

test "a script makes five calls and only what it returns comes back"
local up = price_server()
local gw, key = hub(up, "allow: shop/price", "allow: code:run")
expect(gw:wait_tools(key, 3)):has("lua")
local r = gw:mcp(key):call("lua", { code = [[
local sum = 0
for _, p in ipairs(pmap({1, 2, 3, 4, 5}, function(id) return shop.price{id = id} end)) do sum = sum + p.cents end
return sum]] })
expect(text_of(r)):has("1500")
expect(r.raw):lacks("secret row")
expect(#up.calls):is(5)

test "a script's call to a tool that its key may not use is refused, and never reaches the server"
local up = price_server()
local gw, key = hub(up, "allow: shop/price", "allow: code:run")
gw:wait_tools(key, 3)
local r = gw:mcp(key):call("lua", { code = [[
local ok, e = pcall(call, "shop.drop", {})
return {ok = ok, after = shop.price{id = 2}.cents}]] })
expect(text_of(r)):has("200")
expect(text_of(r)):has("false")
expect(#up.calls):is(1)
expect(up.calls[1].name):is("price")

test "a key without a grant for scripts sees no lua and cannot call it"
local up = price_server()
local gw, key = hub(up, "allow: shop/price")
expect(gw:wait_tools(key, 1)):same { "shop__price" }
expect(gw:mcp(key):call("lua", { code = "return 1" })):error(-32602)

test "a script that loops for ever is ended, and others are served meanwhile"
local up = price_server()
local gw, key = hub(up, "allow: shop/price", "allow: code:run")
gw:wait_tools(key, 3)
local done
spawn(function() done = gw:mcp(key):call("lua", { code = "while true do end" }) end)
expect(text_of(gw:mcp(key):call("shop__price", { id = 3 }))):has("secret row 3")
wait_for("the end of the loop", function() return done end)
expect(done.isError or done.error ~= nil, "told as an error"):is(true)

test "the run and its calls are one tree in the audit"
local up = price_server()
local gw, key = hub(up, "allow: shop/price", "allow: code:run")
gw:wait_tools(key, 3)
gw:mcp(key):call("lua", { code = "shop.price{id=1} shop.price{id=2} return 1" })
gw:stop() -- applies everything
local run, kids = nil, 0
for _, row in ipairs(gw:audit()) do if row.kind == "run" then run = row end end
for _, row in ipairs(gw:audit()) do if run and row.parent == run.id then kids = kids + 1 end end
expect(kids):is(2)
