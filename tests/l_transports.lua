-- SPDX-License-Identifier: Apache-2.0
-- Servers of the oldest transport, and servers of which the settings say what they speak.

local function world(options)
	options.era = options.era or "sse"
	options.version = options.version or (options.era == "sse" and "2024-11-05" or nil)
	options.tools = options.tools or { "add", { name = "wait", hang = true } }
	local up = mcp_server "sums" (options)
	return gateway { servers = { sums = up }, policies = rules("allow: sums/*") }, up
end

local function state(gw) return json.decode(gw:cli { "servers", "--json" }.out)[1] end

test "a server of HTTP+SSE is found by itself, lists and is called"
local gw, up = world {}
local key = gw:dev()
gw:wait_tools(key, 2)
expect(state(gw).wire):is("sse")
expect(state(gw).era):is("2024-11-05")
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
local c = gw:mcp(key)
for i = 1, 3 do expect(c:call("sums__add").content[1].text):is("add done") end
expect(#up.calls):is(4)
expect(up.methods[1]):is("initialize")

test "or by its settings, without being asked for anything else first"
local gw, up = world { yaml = 'transport: sse, headers: { X-Team: "payments" }' }
local key = gw:dev()
gw:wait_tools(key, 2)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
expect(up.requests[1].method):is("GET")
for _, r in ipairs(up.requests) do expect(r.headers["x-team"]):is("payments") end

test "a call that its client gives up is cancelled there, and nobody else's is"
local gw, up = world {}
local key = gw:dev()
gw:wait_tools(key, 2)
local c = gw:mcp(key)
spawn(function() pcall(c.call, c, "sums__wait") end)
up:wait_calls(1)
c:close()
up:wait_aborted(1)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")

test "a stream that ends is opened again, and what was in flight is told"
local gw, up = world {}
local key = gw:dev()
gw:wait_tools(key, 2)
local said
spawn(function() said = gw:mcp(key):call("sums__wait") end)
wait_for("the call", function() return #up.calls == 1 end)
up:drop()
wait_for("the answer", function() return said end)
expect(said.raw):has("stream has ended")
wait_for("another stream", function() return up.streams >= 2 end)
local text
for _ = 1, 200 do
	local r = gw:mcp(key):call("sums__add")
	text = r.content and r.content[1].text
	if text == "add done" then break end
end
expect(text):is("add done")

test "an endpoint on another origin, or none at all, is a server that is down"
local gw, up = world { endpoint = "http://127.0.0.1:1/messages", yaml = "transport: sse" }
expect(state(gw).failure):has("another origin")
local gw2, up2 = world { endpoint = "//evil.example/messages", yaml = "transport: sse" }
expect(state(gw2).state):is("down")
local gw3 = world { endpoint = "", yaml = "transport: sse" }
expect(state(gw3).state):is("down")

test "an endpoint may be a whole URL of the same origin, or a name beside the stream"
local up = mcp_server "sums" { era = "sse", version = "2024-11-05", tools = { "add" }, yaml = "transport: sse" }
up.options.endpoint = up.url:gsub("/mcp$", "") .. "/messages?session=1"
local gw = gateway { servers = { sums = up }, policies = rules("allow: sums/*") }
local key = gw:dev()
gw:wait_tools(key, 1)
local gw, up = world { endpoint = "messages?session=1", yaml = "transport: sse" }
gw:wait_tools(gw:dev(), 2)

test "a version that is written is the one that is spoken, or an error that names both"
local gw, up = world { era = "legacy", version = "2025-06-18", yaml = 'protocol: "2025-06-18"' }
local key = gw:dev()
gw:wait_tools(key, 2)
expect(up.requests[1].json.method):is("initialize")
expect(up.requests[1].json.params.protocolVersion):is("2025-06-18")
expect(state(gw).era):is("2025-06-18")
local other = world { era = "legacy", version = "2025-11-25", yaml = 'protocol: "2025-06-18"' }
expect(state(other).failure):has("it answers 2025-11-25, the settings want 2025-06-18")
sys.write_file(gw.config, (read_file(gw.config):gsub("2025%-06%-18", "2025-06-19")))
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err):has('unknown word "2025-06-19" (did you mean "2025-06-18"?)')

test "one found by itself that is gone is not hammered, and may come back as another"
local gw, up = world {}
local key = gw:dev()
gw:wait_tools(key, 2)
local asked = 0
up.sse = function(_, w)
	asked = asked + 1
	return w:reply(503, "")
end
local since_ms = now()
up:drop()
wait_for("three attempts", function() return asked >= 3 end)
expect(now() - since_ms >= 500):is(true)
up.era = "modern"
wait_for("its list", function()
	local last = up.requests[#up.requests]
	return last.json and last.json.method == "subscriptions/listen"
end)
expect(state(gw).wire):is("http")
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
