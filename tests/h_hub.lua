-- SPDX-License-Identifier: Apache-2.0
-- The hub beside tools: prompts, resources, what is said before an answer, what servers ask.

local GRANT = rules('allow: "docs/*"', 'allow: "prompt:docs/*"', 'allow: "resource:docs/file:///open/*"')
local FORM = { "elicitation/create", { message = "Sure?", requestedSchema = { type = "object", properties = {} } } }
local ASKS = { name = "confirm", ask = FORM,
	result = function(args) return { content = json.array { { type = "text", text = json.encode(args.answer) } } } end }

local function progress_of(era)
	local up = mcp_server "docs" { era = era, tools = { { name = "long", progress = 3 } } }
	local gw = gateway { servers = { docs = up }, policies = GRANT }
	local key = gw:dev()
	gw:wait_tools(key, 1)
	local c = gw:mcp(key)
	local r = c:rpc("tools/call", { name = "docs__long", arguments = {}, _meta = { progressToken = "mine" } })
	expect(r.content[1].text):is("long done")
	expect(#c.notes):is(3)
	for i, n in ipairs(c.notes) do
		expect(n.params.progressToken):is("mine")
		expect(n.params.progress):is(i)
	end
	expect(up.calls[1].raw):lacks('"mine"')
	expect(c:call("docs__long").content[1].text):is("long done")
	expect(#c.notes):is(3)
end

local function question_of(era)
	local up = mcp_server "docs" { era = era, tools = { ASKS } }
	local gw = gateway { servers = { docs = up }, policies = GRANT }
	local key, other = gw:key { name = "ann", customer = "acme", team = "payments", user = "ana" }, gw:key { name = "bob", customer = "acme", team = "payments", user = "ana" }
	gw:wait_tools(key, 1)
	local c, b = gw:mcp(key), gw:mcp(other)
	c.capabilities, b.capabilities = { elicitation = {} }, { elicitation = {} }
	local asked = c:rpc("tools/call", { name = "docs__confirm", arguments = { n = 1 } })
	expect(asked.resultType):is("input_required")
	local name, question = next(asked.inputRequests)
	expect(question.method):is("elicitation/create")
	expect(question.params.message):is("Sure?")
	expect(asked.raw):lacks("state of docs")
	local answers = { [name] = { action = "accept", content = { yes = true } } }
	local function again(who, args)
		return who:rpc("tools/call", { name = "docs__confirm", arguments = args, requestState = asked.requestState,
			inputResponses = answers })
	end
	expect(again(b, { n = 1 })):error(-32602)
	expect(again(c, { n = 2 })):error(-32602)
	local r = again(c, { n = 1 })
	expect(r.resultType):is("complete")
	expect(json.decode(r.content[1].text).action):is("accept")
	expect(up.states):same(era == "modern" and { "state of docs" } or {})
end

test "prompts and resources are seen and used by grant only, and every use is a row"
local up = mcp_server "docs" { tools = { "find" }, prompts = { "review", "hidden" },
	resources = { ["file:///open/a"] = "alpha", ["file:///shut/b"] = "beta" } }
local gw = gateway { servers = { docs = up }, policies = rules('allow: "docs/*"', 'allow: "prompt:docs/review"',
	'allow: "resource:docs/file:///open/*"') }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = gw:mcp(key)
expect(c:rpc("prompts/list").prompts):same { { name = "docs__review" } }
local listed = c:rpc("resources/list").resources
expect(#listed):is(1)
expect(listed[1].uri):is("tg+docs+file:///open/a")
expect(c:rpc("prompts/get", { name = "docs__review" }).messages[1].content.text):is("review")
local read = c:rpc("resources/read", { uri = "tg+docs+file:///open/a" })
expect(read.contents[1].text):is("alpha")
expect(read.contents[1].uri):is("tg+docs+file:///open/a")
local shut, none = c:rpc("resources/read", { uri = "tg+docs+file:///shut/b" }), c:rpc("resources/read", { uri = "tg+docs+file:///c" })
expect(shut):error(-32602)
expect(none):error(-32602)
expect(c:rpc("prompts/get", { name = "docs__hidden" })):error(-32602)
gw:stop()
local rows = gw:audit()
expect(rows):has { kind = "prompt", name = "docs/review", verdict = "ok" }
expect(rows):has { kind = "resource", name = "docs/file:///open/a", verdict = "ok" }
expect(rows):has { kind = "resource", name = "docs/file:///shut/b", verdict = "not_permitted" }
expect(rows):has { kind = "prompt", name = "docs/hidden", verdict = "not_permitted" }

test "without a rule for them a key sees no prompt and no resource, whatever tools it has"
local up = mcp_server "docs" { tools = { "find" }, prompts = { "review" }, resources = { ["file:///open/a"] = "alpha" } }
local gw = gateway { servers = { docs = up }, policies = rules('allow: "docs/*"') }
local key = gw:dev()
gw:wait_tools(key, 1)
expect(gw:mcp(key):rpc("prompts/list").prompts):same {}
expect(gw:mcp(key):rpc("resources/list").resources):same {}

test "progress of a modern server comes before its answer, under the client's own token"
progress_of "modern"

test "progress of a legacy server comes before its answer, under the client's own token"
progress_of "legacy"

test "a modern server asks, a modern client answers with its next request, and nobody else can"
question_of "modern"

test "a legacy server asks, a modern client answers with its next request, and nobody else can"
question_of "legacy"

test "a client that cannot be asked is not asked"
local up = mcp_server "docs" { era = "legacy", tools = { ASKS } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local key = gw:dev()
gw:wait_tools(key, 1)
local r = gw:mcp(key):call("docs__confirm")
expect(json.decode(r.content[1].text).code):is(-32601)

test "a legacy server has a session for each key, and none is shared"
local up = mcp_server "docs" { era = "legacy", tools = { "find" } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local ann, bob = gw:key { name = "ann", customer = "acme", team = "payments", user = "ana" }, gw:key { name = "bob", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(ann, 1)
for _, key in ipairs { ann, bob, ann, bob } do gw:mcp(key):call("docs__find") end
local sessions = {}
for i, call in ipairs(up.calls) do sessions[i] = call.headers["mcp-session-id"] end
expect(sessions[1]):is(sessions[3])
expect(sessions[2]):is(sessions[4])
expect(sessions[1] ~= sessions[2]):is(true)
expect(up.sessions):is(3)

test "a legacy client's session survives a restart of the gateway, and no other key can take it up"
local up = mcp_server "docs" { tools = { "find" } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local ann, bob = gw:key { name = "ann", customer = "acme", team = "payments", user = "ana" }, gw:key { name = "bob", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(ann, 1)
local function post(key, id, message)
	return gw:client(key):post("/mcp", json.encode(message), { accept = "application/json, text/event-stream",
		["mcp-session-id"] = id, ["mcp-protocol-version"] = "2025-11-25" })
end
local hello = post(ann, nil, { jsonrpc = "2.0", id = 1, method = "initialize",
	params = { protocolVersion = "2025-11-25", capabilities = {}, clientInfo = { name = "t", version = "1" } } })
local id = hello.headers["mcp-session-id"]
local ping = { jsonrpc = "2.0", id = 2, method = "ping" }
expect(post(ann, id, ping).status):is(200)
expect(post(bob, id, ping).status):is(404)
gw:restart()
expect(post(bob, id, ping).status):is(404)
expect(post(ann, id, ping).status):is(200)
expect(post(ann, id:gsub(".$", "A") .. "B", ping).status):is(404)

test "names are left alone where the settings say so, and what two servers have is the first one's"
local a, b = mcp_server "a" { tools = { "find", "only_a" } }, mcp_server "b" { tools = { "find", "only_b" } }
local gw = gateway { servers = { a = a, b = b }, policies = rules('allow: "any/*"'), yaml = "mcp: { prefix: never }\n" }
local key = gw:dev()
expect(gw:wait_tools(key, 3)):same { "find", "only_a", "only_b" }
gw:mcp(key):call("find")
expect(#a.calls + #b.calls):is(1)
expect(gw.process.err):has("two servers have the same name")

test "on_collision names only what two servers have"
local a, b = mcp_server "a" { tools = { "find", "only_a" } }, mcp_server "b" { tools = { "find", "only_b" } }
local gw = gateway { servers = { a = a, b = b }, policies = rules('allow: "any/*"'), yaml = "mcp: { prefix: on_collision }\n" }
local key = gw:dev()
expect(gw:wait_tools(key, 4)):same { "a__find", "b__find", "only_a", "only_b" }
gw:mcp(key):call("b__find")
expect(#b.calls):is(1)

test "a view lists and calls only what it names, and is no right"
local up = mcp_server "docs" { tools = { "find", "get_page", "get_secret" }, prompts = { "review" } }
local gw = gateway { servers = { docs = up }, policies = rules('allow: "docs/{find,get_page}"', 'allow: "prompt:docs/*"'),
	yaml = 'views:\n  reading: { tools: ["docs/get_*"], instructions: "Read only." }\n' }
local key = gw:dev()
expect(gw:wait_tools(key, 2)):same { "docs__find", "docs__get_page" }
local c = mcp_client { port = gw.port, headers = { authorization = "Bearer " .. key.key }, path = "/mcp/v/reading" }
expect(c:tools()):same { "docs__get_page" }
expect(c:rpc("prompts/list").prompts):same {}
expect(c:rpc("server/discover").instructions):is("Read only.")
expect(c:call("docs__get_page").content[1].text):is("get_page done")
expect(c:call("docs__find")):error(-32602)
expect(c:call("docs__get_secret")):error(-32602)
expect(#up.calls):is(1)
local none = mcp_client { port = gw.port, headers = { authorization = "Bearer " .. key.key }, path = "/mcp/v/nothing" }
expect(none:rpc("tools/list").status):is(404)

test "what cannot be carried over exactly is refused by name, and what can arrives byte for byte"
local NASTY = '{"big":9007199254740993,"neg":-0,"one":1.0,"exp":1E400,"nul":"\\u0000","pair":"\\ud83d\\ude00","e":"\\u00e9",' ..
	'"deep":' .. ("["):rep(40) .. ("]"):rep(40) .. ',"":{"a":null}}'
local BIG = '{"content":[{"type":"text","text":"' .. ("x"):rep(9 * 1024 * 1024) .. '"}],"resultType":"complete"}'
local up = mcp_server "docs" { tools = { "find", { name = "echo", raw = '{"content":[],"structuredContent":' .. NASTY ..
	',"resultType":"complete"}' }, { name = "big", raw = BIG }, { name = "huge", raw = BIG:gsub('"}%]', ("y"):rep(2 * 1024 * 1024) .. '"}]') } } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local key = gw:dev()
gw:wait_tools(key, 4)
local META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
local function call(name, args)
	return gw:client(key):post("/mcp", '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"docs__' .. name ..
		'","arguments":' .. args .. "," .. META .. "}}", { accept = "application/json, text/event-stream",
		["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "docs__" .. name })
end
expect(call("find", NASTY).status):is(200)
expect(up.calls[1].raw):has('"arguments":' .. NASTY)
expect(call("echo", "{}").body):has('"structuredContent":' .. NASTY)
expect(#call("big", "{}").body):above(9 * 1024 * 1024)
expect(call("huge", "{}").body):has("too large")
local before = #up.calls
for what, args in pairs { ['twice'] = '{"a":1,"a":2}', ['\\ud800'] = '{"a":"\\ud800"}', ['deep'] = ("["):rep(80) .. ("]"):rep(80),
	['utf'] = '{"a":"\xff"}', ['list'] = "[]" } do
	local r = call("find", args)
	expect(r.status):is(400)
	expect(r.body):has('"error"')
end
expect(#up.calls):is(before)

test "a legacy client is asked on its call's stream what a modern server wants to know"
local up = mcp_server "docs" { tools = { ASKS } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = legacy_client(gw, key, { elicitation = { form = { x = true } } })
local call = c.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "docs__confirm" } }
local asked = call:event().json
expect(asked.method):is("elicitation/create")
expect(asked.params.message):is("Sure?")
expect(c.post({ jsonrpc = "2.0", id = asked.id, result = { action = "decline" } }).status):is(202)
local answer = call:event().json
expect(answer.id):is(7)
expect(json.decode(answer.result.content[1].text).action):is("decline")
expect(up.states):same { "state of docs" }

test "a client that never answers is not waited for longer than ten minutes"
local up = mcp_server "docs" { tools = { ASKS } }
local gw = gateway { servers = { docs = up }, policies = GRANT, clock = true }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = legacy_client(gw, key, { elicitation = { form = { x = true } } })
local call = c.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "docs__confirm" } }
expect(call:event().json.method):is("elicitation/create")
gw:advance("11m")
local answer = call:event().json
expect(answer and answer.id):is(7)
expect(answer.result.content[1].text):has("did not answer")

test "one key's open questions leave room for the others'"
local up = mcp_server "docs" { era = "legacy", tools = { ASKS } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local ann = gw:key { name = "ann", customer = "acme", team = "payments", user = "ana" }
local bob = gw:key { name = "bob", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(ann, 1)
local a, b = gw:mcp(ann), gw:mcp(bob)
a.capabilities, b.capabilities = { elicitation = {} }, { elicitation = {} }
for i = 1, 32 do expect(a:call("docs__confirm", { n = i }).resultType):is("input_required") end
expect(json.decode(a:call("docs__confirm", { n = 33 }).content[1].text).code):is(-32601)
expect(b:call("docs__confirm", { n = 1 }).resultType):is("input_required")

test "a change of a resource is told to who asked and may read it, and a flood of them is one"
local up = mcp_server "docs" { tools = { "find" }, resources = { ["file:///open/a"] = "alpha", ["file:///open/b"] = "beta" } }
local gw = gateway { servers = { docs = up }, policies = GRANT }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = legacy_client(gw, key)
local stream = c.get()
expect(stream.status):is(200)
local A = "tg+docs+file:///open/a"
expect(c.post({ jsonrpc = "2.0", id = 2, method = "resources/subscribe", params = { uri = A } }).status):is(200)
expect(c.post({ jsonrpc = "2.0", id = 3, method = "resources/subscribe", params = { uri = "tg+docs+file:///shut/x" } }).json.error.code):is(-32002)
wait_for("the subscription", function()
	local last
	for _, r in ipairs(up.requests) do if r.json and r.json.method == "subscriptions/listen" then last = r.json end end
	local uris = last and last.params.notifications.resourceSubscriptions
	return uris and uris[1] == "file:///open/a"
end)
for _ = 1, 100 do up:push("notifications/resources/updated", { uri = "file:///open/a" }) end
up:push("notifications/resources/updated", { uri = "file:///open/b" })
local e = stream:event().json
expect(e.method):is("notifications/resources/updated")
expect(e.params.uri):is(A)
expect(c.post({ jsonrpc = "2.0", id = 4, method = "resources/unsubscribe", params = { uri = A } }).status):is(200)
up.tools[1].description = "Another one."
up:push("notifications/tools/list_changed")
local n = 0
repeat
	e = stream:event().json
	n = n + 1
until e.method ~= "notifications/resources/updated"
expect(e.method):is("notifications/tools/list_changed")
expect(n):below(10)

test "with on_collision a resource is read by the URI that its list and its contents say"
local a = mcp_server "a" { tools = { "find" }, resources = { ["file:///x"] = "of a" } }
local b = mcp_server "b" { tools = { "look" }, resources = { ["file:///x"] = "of b" } }
local gw = gateway { servers = { a = a, b = b }, policies = rules('allow: "any/*"', 'allow: "resource:*"'),
	yaml = "mcp: { prefix: on_collision }\n" }
local key = gw:dev()
gw:wait_tools(key, 2)
local c = gw:mcp(key)
for _, r in ipairs(c:rpc("resources/list").resources) do
	local got = c:rpc("resources/read", { uri = r.uri }).contents[1]
	expect(got.uri):is(r.uri)
	expect(got.text):is("of " .. r.uri:match("^tg%+(%a)%+"))
end
