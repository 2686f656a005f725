-- SPDX-License-Identifier: Apache-2.0
-- What things cost: tools have a price per call, in the same ledger as models; and what is done with
-- a model that has no price.

local PRICES = [[
version: 1
date: 2026-08-01
models:
  claude-sonnet-4: { input: 3, output: 15, max_output: 1000 }
  dear: { input: 10, output: 100, max_output: 1000 }
tools:
  shop/order: 0.25
  "shop/*": 0.01
  other/x: 9
]]

local function policies(budget, spending)
	return {
		["root/org.yaml"] = string.format([[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        payments:
          %s
          users:
            ana: { budget: %s }
]], spending or 'contact: "#gate"', budget),
		["root/tools.yaml"] = [[
version: 1
policy: tools
owner: "#tools"
applies_to: { teams: [payments] }
rules:
  - allow: "model:*"
  - allow: "shop/*"
  - allow: code:run
]],
	}
end

local function world(budget, spending, tools)
	local up = provider { usage = { input_tokens = 100, output_tokens = 10 } }
	local shop = mcp_server "shop" { tools = tools or { "order", "price" } }
	local gw = gateway { providers = { anthropic = up }, servers = { shop = shop }, prices = PRICES,
		yaml = 'models: { "*": { provider: anthropic } }\n', policies = policies(budget, spending) }
	local ana = gw:dev()
	gw:wait_tools(ana, 3)
	return gw, ana, up, shop
end

local function quota(gw, key)
	for _, level in ipairs(gw:client(key):get("/v1/quota").json.levels) do
		if level.level == "user" then return level.budgets[1] end
	end
end

local function ask(gw, key, model)
	return gw:client(key):post("/anthropic/v1/messages",
		'{"model":"' .. model .. '","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}')
end

test "a call costs its tool's price, its own before a pattern's, and is refused without room for it"
local gw, ana, up, shop = world("0.60 USD/month")
local c = gw:mcp(ana)
expect(not c:call("shop__price").isError):is(true)
expect(quota(gw, ana)):has { used_nusd = 10000000, held_nusd = 0 }
for _ = 1, 2 do expect(not c:call("shop__order").isError):is(true) end
expect(quota(gw, ana).used_nusd):is(510000000)
local r = c:call("shop__order")
expect(r.isError):is(true)
expect(r.content[1].text):has("budget exhausted: acme/payments/ana has used or reserved 0.51 of 0.60 USD")
expect(#shop.calls):is(3)
expect(not c:call("shop__price").isError):is(true)
-- One ledger: the table of usage, the audit and the quota agree.
local rows = gw:ok { "usage", "--by", "tool", "--json" }.json
expect(rows):has { name = "shop/order", calls = 2, cost_nusd = 500000000, refused = 1 }
expect(rows):has { name = "shop/price", calls = 2, cost_nusd = 20000000 }
expect(gw:audit()):has { kind = "tool", name = "shop/order", hold_nusd = 250000000, cost_nusd = 250000000 }
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
gw:restart()
expect(quota(gw, ana).used_nusd):is(520000000)

test "calls of a script cost the same, from the same budget"
local gw, ana, up, shop = world("0.60 USD/month")
local r = gw:mcp(ana):call("lua", { code = [[
local n, why = 0, ""
for i = 1, 4 do
	local ok, e = pcall(shop.order, {})
	if ok then n = n + 1 else why = tostring(e) end
end
return n .. " " .. why]] })
expect(r.content[1].text):has("2 ")
expect(r.content[1].text):has("budget exhausted")
expect(#shop.calls):is(2)
expect(quota(gw, ana)):has { used_nusd = 500000000, held_nusd = 0 }

test "a tool's own error is paid for, a server that is not there is not"
local gw, ana, up, shop = world("1 USD/month", nil, {
	{ name = "order", result = { content = { { type = "text", text = "sold out" } }, isError = true } },
	{ name = "price", malformed = true },
})
expect(gw:mcp(ana):call("shop__order").isError):is(true)
expect(quota(gw, ana).used_nusd):is(250000000)
gw:mcp(ana):call("shop__price")
expect(quota(gw, ana)):has { used_nusd = 250000000, held_nusd = 0 }

test "a call whose caller leaves is paid for: the server may have done it"
local gw, ana, up, shop = world("1 USD/month", nil, { { name = "order", hang = true }, "price" })
local c = gw:client(ana)
c:send(c:bytes { method = "POST", path = "/mcp", headers = { accept = "application/json, text/event-stream",
	["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "shop__order" },
	body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"shop__order","arguments":{},"_meta":{' ..
	'"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},' ..
	'"io.modelcontextprotocol/clientCapabilities":{}}}}' })
wait_for("the call", function() return #shop.calls == 1 end)
expect(quota(gw, ana).held_nusd):is(250000000)
c:close()
wait_for("its end", function() return quota(gw, ana).held_nusd == 0 end)
expect(quota(gw, ana).used_nusd):is(250000000)

test "a dated id has its family's price, an unknown one the dearest; both are marked"
local gw, ana = world("1 USD/month")
expect(ask(gw, ana, "claude-sonnet-4").status):is(200)
expect(ask(gw, ana, "claude-sonnet-4-20250514").status):is(200)
expect(ask(gw, ana, "gpt-99").status):is(200)
local rows = gw:audit()
expect(rows):has { name = "claude-sonnet-4", cost_nusd = 450000 }
expect(rows):has { name = "claude-sonnet-4-20250514", cost_nusd = 450000, estimated = true }
expect(rows):has { name = "gpt-99", cost_nusd = 2000000, estimated = true }
for _, r in ipairs(rows) do if r.name == "claude-sonnet-4" then expect(r.estimated):is(nil) end end

test "unknown_price: deny refuses what has no price of its own, before anything leaves"
local gw, ana, up = world("1 USD/month", "unknown_price: deny")
expect(ask(gw, ana, "claude-sonnet-4").status):is(200)
for _, name in ipairs { "claude-sonnet-4-20250514", "gpt-99" } do
	local r = ask(gw, ana, name)
	expect(r.status):is(403)
	expect(r.json.error.message):has('"' .. name .. '" has no price of its own')
end
expect(#up.requests):is(1)

test "unknown_price: free lets what nobody knows pass without money; a family's price still counts"
local gw, ana = world("0.001 USD/month", "unknown_price: free")
for _ = 1, 3 do expect(ask(gw, ana, "gpt-99").status):is(200) end
expect(quota(gw, ana)):has { used_nusd = 0, held_nusd = 0 }
expect(ask(gw, ana, "claude-sonnet-4-20250514").status):is(200)
expect(quota(gw, ana).used_nusd):is(450000)
expect(gw:audit()):has { name = "gpt-99", cost_nusd = 0, estimated = true }

test "only root/ says how money is dealt with, and a wrong word is told with the right ones"
local files = policies("1 USD/month", "unknown_price: fre")
files["customers/acme/own.yaml"] = "version: 1\norganisation:\n  customers:\n    acme: { unknown_price: free }\n"
local gw = gateway { policies = files, start = false, providers = { anthropic = provider {} }, servers = { shop = mcp_server "shop" { tools = {} } },
	yaml = 'models: { "*": { provider: anthropic } }\n' }
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err):has('root/org.yaml:8:26: unknown_price is estimate or deny or free (did you mean "free"?)')
expect(r.err):has("own.yaml:4:13: unknown_price is set in root/ only")
