-- SPDX-License-Identifier: Apache-2.0
-- HTTP at the edge: what is answered, what is refused, and byte sequences that have brought
-- other servers down.

local BODY = '{"model":"claude-sonnet-4-6","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'

-- A gateway with one provider and one key; most tests need no more.
local function edge(options)
	local up = provider(options)
	local gw = gateway { providers = { anthropic = up } }
	local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
	return gw, up, key
end

-- The gateway still answers everybody else.
local function alive(gw) expect(gw:client():get("/healthz").status):is(200) end

test "the gateway says that it lives and is ready, to anybody"
local gw = gateway {}
local c = gw:client()
expect(c:get("/healthz").status):is(200)
wait_for("ready", function() return gw:client():get("/readyz").status == 200 end)
expect(c:request { method = "HEAD", path = "/" }.status):is(200)

test "an unknown path is 404 and the wrong method 405, each with a reason"
local gw = gateway {}
local r = gw:client():get("/nothing/here")
expect(r.status):is(404)
expect(r.json.error.message):matches("%w")
expect(gw:client():post("/healthz", "{}").status):is(405)
expect(gw:client():get("/anthropic/v1/messages").status):is(405)

test "every reply carries a request id of its own"
local gw = gateway {}
local c = gw:client()
local first = c:get("/healthz").headers["x-tollgate-request-id"]
expect(first):matches("^r_%w+$")
expect(c:get("/healthz").headers["x-tollgate-request-id"] ~= first):is(true)

test "without a key, with a mistyped one and with an unknown one, the answer is 401 in the dialect"
local gw = gateway {}
for _, key in ipairs { false, "tg-mistyped", "tg-" .. string.rep("A", 40) } do
	local r = gw:client(key):post("/anthropic/v1/messages", BODY)
	expect(r.status):is(401)
	expect(r.json.type):is("error")
	expect(r.json.error.type):is("authentication_error")
	expect(r.headers["x-should-retry"]):is("false")
end

test "a model's reply comes back byte for byte, and the body arrives as it was sent"
local odd = '{"max_tokens":100, "model" : "claude-sonnet-4-6","x":9007199254740993,"messages":[ ]}'
local gw, up, key = edge { body = '{"usage":{"input_tokens":1,"output_tokens":1},  "y":1.0e2}' }
local r = gw:client(key):post("/anthropic/v1/messages", odd)
expect(r.status):is(200)
expect(r.body):is('{"usage":{"input_tokens":1,"output_tokens":1},  "y":1.0e2}')
expect(up.requests[1].body):is(odd)

test "the agent's key never reaches the provider, and the provider's key comes from the gateway"
local gw, up, key = edge()
expect(gw:client(key):message().status):is(200)
expect(up.requests[1].raw):lacks(key.key)
expect(up.requests[1].headers["x-api-key"]):is("sk-rig-upstream")

test "a stream arrives event by event, while it is being made"
local gw, up, key = edge { chunks = 4, hold_after = 4 }
local r = gw:client(key):message { stream = true }
expect(r.status):is(200)
for _, name in ipairs { "message_start", "content_block_start", "ping", "content_block_delta" } do
	expect(r:event().event):is(name)
end
up:release()
local last
for e in function() return r:event() end do last = e.event end
expect(last):is("message_stop")

test "a body that is not JSON, or names no model, is 400 and never reaches the provider"
local gw, up, key = edge()
for _, body in ipairs { "", "{", '{"model":"claude-sonnet-4-6"} x', '{"messages":[]}', "[]",
	'{"model":"claude-sonnet-4-6","mod\\u0065l":"other","max_tokens":1}' } do
	local r = gw:client(key):post("/anthropic/v1/messages", body)
	expect(r.status, body):is(400)
	expect(r.json.error.type):is("invalid_request_error")
end
expect(up.requests):same {}

test "a body past 32 MiB is refused by its announced length, before it is read"
local gw, up, key = edge()
local c = gw:client(key)
c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", headers = { ["content-length"] = "33554433" }, body = "" })
local r = c:response()
expect(r.status):is(413)
expect(r.json.error.type):is("request_too_large")
expect(c:closed()):is(true)
alive(gw)

test "headers past the limit are 431"
local gw = gateway {}
local c = gw:client()
c:send("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " .. string.rep("a", 200000) .. "\r\n\r\n")
expect(c:response().status):is(431)
alive(gw)

-- From here on: what made other servers loop, hang or mix requests up.

test "two requests in one segment get two replies, in order"
local gw, up, key = edge { on = function(r) return { body = { was = r.json.n } } end }
local c = gw:client(key)
local function numbered(n)
	return c:bytes { method = "POST", path = "/anthropic/v1/messages",
		body = '{"model":"claude-sonnet-4-6","max_tokens":9,"messages":[],"n":' .. n .. "}" }
end
c:send(numbered(1) .. numbered(2))
expect(c:response().json.was):is(1)
expect(c:response().json.was):is(2)
c:send(c:bytes { path = "/healthz" } .. numbered(3) .. c:bytes { path = "/healthz" })
expect(c:response().status):is(200)
expect(c:response().json.was):is(3)
expect(c:response().status):is(200)

test "a second request behind one that still waits for its provider is answered after it"
local gw, up, key = edge { hold = true }
local c = gw:client(key)
c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY })
up:wait(1)
c:send(c:bytes { path = "/healthz" })
up:release()
expect(c:response().json.type):is("message")
expect(c:response().body):has("ok")

test "a request that arrives one byte at a time is one request"
local gw, up, key = edge()
local c = gw:client(key)
local bytes = c:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY }
for i = 1, #bytes do c:send(bytes:sub(i, i)) end
expect(c:response().status):is(200)
expect(up.requests[1].body):is(BODY)

test "a chunked body is decoded"
local gw, up, key = edge()
local c = gw:client(key)
c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", headers = { ["transfer-encoding"] = "chunked" },
	body = string.format("10;x=y\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", BODY:sub(1, 16), #BODY - 16, BODY:sub(17)) })
expect(c:response().status):is(200)
expect(up.requests[1].body):is(BODY)

test "requests that two parsers could read differently are 400, and the connection ends"
local gw, up, key = edge()
for _, headers in ipairs {
	"content-length: 5\r\ncontent-length: 6\r\n", "content-length: 5\r\ntransfer-encoding: chunked\r\n",
	"transfer-encoding: gzip, chunked\r\n", "content-length: +5\r\n", "content-length : 5\r\n",
	"x: a\r\n b\r\n" } do
	local c = gw:client(key)
	c:send("POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\n" .. headers .. "\r\nhello")
	expect(c:response().status, headers):is(400)
	expect(c:closed(), headers):is(true)
end
expect(up.requests):same {}
alive(gw)

test "a client that expects 100-continue is told to go on"
local gw, up, key = edge()
local c = gw:client(key)
local bytes = c:bytes { method = "POST", path = "/anthropic/v1/messages", headers = { expect = "100-continue" }, body = BODY }
local head, body = bytes:match("^(.-\r\n\r\n)(.*)$")
c:send(head)
expect(c:recv()):matches("^HTTP/1%.1 100 ")
c:send(body)
expect(c:response().status):is(200)

test "a client that leaves while its reply is withheld takes the provider's request with it"
local gw, up, key = edge { hold = true }
for _, leave in ipairs { "close", "reset" } do
	local c = gw:client(key)
	c:send(c:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY })
	up:wait(#up.requests + 1)
	c[leave](c)
	up:wait_aborted(leave == "close" and 1 or 2)
end
alive(gw)

test "a client that leaves in the middle of a stream takes the provider's stream with it"
local gw, up, key = edge { hold_after = 2 }
local c = gw:client(key)
local r = c:message { stream = true }
expect(r:event().event):is("message_start")
c:close()
up:wait_aborted(1)
alive(gw)

test "a refusal to a request with a body leaves the connection usable, or closes it, never stuck"
local gw, up, key = edge()
local c = gw:client()
expect(c:post("/nothing", string.rep("x", 100000)).status):is(404)
expect(c:get("/healthz").status):is(200)

test "a provider that breaks in the middle of a stream breaks only that stream"
local gw, up, key = edge { cut_after = 3 }
local r = gw:client(key):message { stream = true }
local e, why
repeat e, why = r:event() until not e or e.event == "error"
expect(e == false or (e ~= nil and e.event == "error"), "the cut shows"):is(true)
alive(gw)

test "an unknown provider failure is told as 502, and its body stays with us"
local gw, up, key = edge { cut_after = 0 }
local r = gw:client(key):message()
expect(r.status):is(502)
expect(r.json.error.type):is("api_error")
