-- SPDX-License-Identifier: Apache-2.0
-- Every way to a model, a tool or a script passes the gate: refused it leaves a row and reaches
-- nothing, granted it leaves a row per pass.  A new route is unknown here until somebody says which
-- of the two kinds it is.

local BODY = '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'
local SCRIPT = "return shop.price{}"

-- Handlers of gateway/route.c: those that go through the gate, and those that ask for nothing.
local GOVERNED = { proxy_run = true, genai_call = true, mcp_endpoint = true, control_request = true,
	approvals_endpoint = true }
local FREE = { models_list = true, no_websocket = true, me_quota = true, me_all = true, status_health = true, status_ready = true,
	metrics_reply = true, sign_in_page = true, sign_in_return = true,
	identity_metadata = true, stubs_lua = true }

local function legacy_call(gw, key)
	local c = gw:client(key)
	local headers = { accept = "application/json, text/event-stream", ["content-type"] = "application/json" }
	local function ask(body) return c:request { method = "POST", path = "/mcp", headers = headers, body = json.encode(body) } end
	local r = ask { jsonrpc = "2.0", id = 1, method = "initialize", params = { protocolVersion = "2025-11-25",
		capabilities = { x = true }, clientInfo = { name = "rig", version = "1" } } }
	headers["mcp-session-id"], headers["mcp-protocol-version"] = r.headers["mcp-session-id"], "2025-11-25"
	ask { jsonrpc = "2.0", method = "notifications/initialized" }
	return ask { jsonrpc = "2.0", id = 2, method = "tools/call", params = { name = "shop__price" } }
end

local function asks(method, params)
	return function(gw, key) return gw:mcp(key):rpc(method, params) end
end

local function view_call(gw, key)
	local headers = { authorization = "Bearer " .. key }
	return mcp_client { port = gw.port, headers = headers, path = "/mcp/v/till" }:call("shop__price")
end

local function gemini(verb)
	return function(gw, key) return gw:client(key):post("/genai/v1beta/models/gemini-3.8-flash:" .. verb, "{}") end
end

local ANY = { name = "x", value = "y" }

-- What each way is called, how it is gone, and the kinds of the passes that it makes when granted.
local WAYS = {
	{ "a model request", function(gw, key) return gw:client(key):post("/anthropic/v1/messages", BODY) end, "model" },
	{ "the same at /v1", function(gw, key) return gw:client(key):post("/v1/messages", BODY) end, "model" },
	{ "count_tokens", function(gw, key) return gw:client(key):post("/anthropic/v1/messages/count_tokens", BODY) end, "model" },
	{ "count_tokens at /v1", function(gw, key) return gw:client(key):post("/v1/messages/count_tokens", BODY) end, "model" },
	{ "a chat completion", function(gw, key) return gw:client(key):post("/openai/v1/chat/completions", '{"model":"gpt-5.5"}') end, "model" },
	{ "a response", function(gw, key) return gw:client(key):post("/openai/v1/responses", '{"model":"gpt-5.5"}') end, "model" },
	{ "an embedding", function(gw, key) return gw:client(key):post("/openai/v1/embeddings", '{"model":"gpt-5.5"}') end, "model" },
	{ "Gemini", gemini "generateContent", "model" },
	{ "Gemini's stream", gemini "streamGenerateContent", "model" },
	{ "Gemini's countTokens", gemini "countTokens", "model" },
	{ "a modern call", function(gw, key) return gw:mcp(key):call("shop__price") end, "tool" },
	{ "a legacy call", legacy_call, "tool" },
	{ "a call through a view", view_call, "tool" },
	{ "a prompt", asks("prompts/get", { name = "shop__greet", arguments = { x = "y" } }), "prompt" },
	{ "a resource", asks("resources/read", { uri = "tg+shop+shelf:///a" }), "resource" },
	{ "a prompt's completion", asks("completion/complete",
		{ ref = { type = "ref/prompt", name = "shop__greet" }, argument = ANY }), "prompt" },
	{ "a template's completion", asks("completion/complete",
		{ ref = { type = "ref/resource", uri = "tg+shop+shelf:///{x}" }, argument = ANY }), "resource" },
	{ "a script, and its call", function(gw, key) return gw:mcp(key):call("lua", { code = SCRIPT }) end, "run", "tool" },
	{ "a script from the shell", function(gw)
		sys.write_file(gw.folder .. "/s.lua", SCRIPT)
		return gw:cli { "script", "run", gw.folder .. "/s.lua", "--key", "dev", "--json" }
	end, "run", "tool" },
}

-- The kinds of the rows that were written since the last look, as one word each.
local function looker(gw)
	local seen = 0
	return function(verdict)
		local rows, kinds = gw:audit(), {}
		for i = seen + 1, #rows do
			if rows[i].kind ~= "admin" and rows[i].verdict:match(verdict) then kinds[#kinds + 1] = rows[i].kind end
		end
		seen = #rows
		table.sort(kinds)
		return table.concat(kinds, " ")
	end
end

local function world(...)
	local ups, shop = { anthropic = provider {}, openai = provider { kind = "openai" }, genai = provider { kind = "genai" } }, mcp_server "shop" { tools = { "price" }, prompts = { "greet" },
		resources = { ["shelf:///a"] = "tea" }, templates = { "shelf:///{x}" } }
	local gw = gateway { providers = ups, servers = { shop = shop }, policies = rules(...),
		yaml = [[
views:
  till: { tools: ["shop/*"] }
models:
  claude-sonnet-4-6: { provider: anthropic }
  gpt-5.5: { provider: openai }
  gemini-3.8-flash: { provider: genai }
]] }
	wait_for("the server", function() return gw:client():get("/metrics").body:find('server_tools{server="shop"} 1', 1, true) end)
	return gw, gw:dev().key, function()
		return #ups.anthropic.requests + #ups.openai.requests + #ups.genai.requests
	end, shop
end

test "every route is known to be governed or to ask for nothing"
local routes = 0
for path, handler in read_file("gateway/route.c"):gmatch('\t{ "(/[^"]*)",[^\n]-,%s+([%w_]+) },\n') do
	routes = routes + 1
	expect(GOVERNED[handler] or FREE[handler] or path .. " goes to " .. handler .. ", which tests/f_gate.lua does not know")
		:is(true)
end
expect(routes):above(12)

test "without a grant every way is refused, is a row, and nothing goes out"
local gw, key, sent, shop = world("allow: shop/other")
local rows = looker(gw)
for _, way in ipairs(WAYS) do
	way[2](gw, key)
	expect(way[1] .. ": " .. rows("^[^o]")):is(way[1] .. ": " .. way[3])
end
expect(sent()):is(0)
expect(shop.calls):same {}

test "with a grant every way makes exactly its passes"
local gw, key, sent, shop = world("allow: shop/*", 'allow: "prompt:*"', 'allow: "resource:*"', 'allow: "model:*"', "allow: code:run")
local rows = looker(gw)
for _, way in ipairs(WAYS) do
	way[2](gw, key)
	local kinds = { way[3], way[4] }
	table.sort(kinds)
	expect(way[1] .. ": " .. rows("^ok$")):is(way[1] .. ": " .. table.concat(kinds, " "))
end
expect(sent()):is(10)
expect(#shop.calls):is(5)

test "an approval reaches nothing by itself: the call that has it makes its own pass, a script's too"
local gw, key, up, shop = world("allow: shop/*\n    approval: { via: [cli] }", "allow: code:run")
local rows = looker(gw)
local function waiting()
	for _, r in ipairs(gw:ok { "approve", "--list", "--json" }.json) do if r.state == "waiting" then return r.id end end
end
gw:mcp(key):call("shop__price")
expect(rows("^[^o]")):is("tool")
gw:ok { "approve", waiting() }
expect(rows("^ok$")):is("")
expect(shop.calls):same {}
gw:mcp(key):call("shop__price")
expect(rows("^ok$")):is("tool")
local done
spawn(function() done = gw:mcp(key):call("lua", { code = SCRIPT }) end)
local id
repeat id = waiting() until id -- or the test's time is over
gw:ok { "approve", id }
wait_for("the script", function() return done end)
expect(rows("^ok$")):is("run tool")
expect(#shop.calls):is(2)
