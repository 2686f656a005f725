-- SPDX-License-Identifier: Apache-2.0
-- What HTTP lets two parties disagree about: hop-by-hop headers, long lists, credentials in a query.

local function edge(options, yaml)
	local up = provider(options)
	local gw = gateway { providers = { anthropic = up }, yaml = yaml }
	return gw, up, gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
end

local BODY = { model = "claude-sonnet-4-6", max_tokens = 100, messages = json.array { { role = "user", content = "hi" } } }

local function many(prefix, n)
	local h = {}
	for i = 1, n do h[prefix .. i] = "v" .. i end
	return h
end

local function count(headers, prefix)
	local n = 0
	for name in pairs(headers) do if name:sub(1, #prefix) == prefix then n = n + 1 end end
	return n
end

test "ninety headers reach the provider, all of them, and ninety come back"
local gw, up, key = edge { headers = many("x-reply-", 90) }
local r = gw:client(key):post("/anthropic/v1/messages", BODY, many("anthropic-test-", 90))
expect(r.status):is(200)
expect(count(up.requests[1].headers, "anthropic-test-")):is(90)
expect(up.requests[1].headers["x-api-key"]):is("sk-rig-upstream")
expect(count(r.headers, "x-reply-")):is(90)
expect(r.headers["x-tollgate-request-id"]):matches("^r_")

test "more headers than the limit are 431 with the limit's number, and nothing is sent on"
local gw, up, key = edge()
local r = gw:client(key):post("/anthropic/v1/messages", BODY, many("anthropic-test-", 100))
expect(r.status):is(431)
expect(r.body):has("more than 100 headers")
expect(#up.requests):is(0)

test "a provider that answers with more headers than the limit is a bad gateway, not the client's fault"
local gw, up, key = edge { headers = many("x-reply-", 120) }
local r = gw:client(key):post("/anthropic/v1/messages", BODY)
expect(r.status):is(502)
expect(r.body):has("more than 100 headers")

test "headers that Connection names stay on their hop, in both directions"
local gw, up, key = edge { headers = { connection = "keep-alive, X-Private", ["x-private"] = "1", ["x-public"] = "2" } }
local r = gw:client(key):post("/anthropic/v1/messages", BODY, { connection = "anthropic-hop , keep-alive",
	["anthropic-hop"] = "secret", ["anthropic-beta"] = "stays", ["keep-alive"] = "timeout=5" })
expect(r.status):is(200)
expect(up.requests[1].headers["anthropic-hop"]):is(nil)
expect(up.requests[1].headers["keep-alive"]):is(nil)
expect(up.requests[1].headers["anthropic-beta"]):is("stays")
expect(r.headers["x-private"]):is(nil)
expect(r.headers["x-public"]):is("2")

test "a credential in the query is neither believed nor sent to a provider, nor is what would give a reply another form"
local gw, up, key = edge()
expect(client({ port = gw.port }):post("/anthropic/v1/messages?key=" .. key.key, BODY).status):is(401)
for query, sent in pairs { ["?key=AIza-agent"] = "", ["?beta=true&key=AIza-agent"] = "?beta=true",
	["?%6bEy=AIza-agent&beta=true"] = "?beta=true", ["?access_token=AIza-agent"] = "",
	["?other=" .. key.key .. "&beta=true"] = "?beta=true", ["?beta=true"] = "?beta=true",
	["?a&b=%20c"] = "?a&b=%20c",
	-- And what would hide a reply's usage.
	["?fields=candidates&beta=true"] = "?beta=true", ["?%24fields=x&f%69elds=x"] = "", ["?alt=sse"] = "?alt=sse",
	["?alt=sse&alt=json"] = "?alt=sse", ["?alt=proto"] = "", ["?Alt"] = "", ["?$httpHeaders=X-Goog-FieldMask:x"] = "",
	["?callback=f&a=1"] = "?a=1" } do
	local n = #up.requests
	expect(gw:client(key):post("/anthropic/v1/messages" .. query, BODY).status, query):is(200)
	expect(up.requests[n + 1].target, query):is("/v1/messages" .. sent)
end

test "the access log has one line per reply with the key's id, and no secret"
local gw, up, key = edge({}, 'log: { access: true }')
gw:client(key):post("/anthropic/v1/messages?key=AIza-agent", BODY)
client({ port = gw.port }):get("/nothing")
local c = client({ port = gw.port })
c:send("GET / HTTP/1.1\r\nbad header\r\n\r\n")
expect(c:response().status):is(400)
gw:stop()
local err = gw.process.err
expect(err):matches("info access [^\n]*method=POST path=/anthropic/v1/messages status=200 [^\n]*key=" .. key.id)
expect(err):matches("info access [^\n]*client=127%.0%.0%.1:%d+ method=GET path=/nothing status=404 ")
expect(err):matches("info access [^\n]*status=400 ")
expect(err):lacks("AIza-agent")
expect(err):lacks(key.key)

test "without log.access nothing is written per request"
local gw, up, key = edge()
gw:client(key):post("/anthropic/v1/messages", BODY)
gw:stop()
expect(gw.process.err):lacks("/anthropic/v1/messages")
