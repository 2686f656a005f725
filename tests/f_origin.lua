-- SPDX-License-Identifier: Apache-2.0
-- Who is at the other end: DNS rebinding, and addresses that proxies hand on.

local LIST = { jsonrpc = "2.0", id = 1, method = "initialize", params = { protocolVersion = "2025-11-25",
	capabilities = {}, clientInfo = { name = "rig", version = "1" } } }
local ACCEPT = "application/json, text/event-stream"

local function ask(gw, key, headers)
	headers.accept = ACCEPT
	local c = gw:client(key)
	local r = c:post("/mcp", LIST, headers)
	c:close()
	return r
end

local function behind(yaml)
	local up, srv = provider(), mcp_server "github" { tools = { "get_issue" } }
	local gw = gateway { providers = { anthropic = up }, servers = { github = srv }, yaml = "log: { access: true }\n" .. yaml }
	local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
	gw:wait_tools(key, 1)
	return gw, key, up
end

test "on loopback /mcp answers only to a loopback Host, and to no foreign Origin"
local gw = gateway {}
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
for _, host in ipairs { "127.0.0.1:" .. gw.port, "localhost:" .. gw.port, "LOCALHOST", "[::1]:" .. gw.port, "127.0.0.2" } do
	expect(ask(gw, key, { host = host }).status, host):is(200)
end
for _, host in ipairs { "evil.example.com", "evil.example.com:" .. gw.port, "localhost.evil.example.com",
	"127.0.0.1.evil.example.com", "10.0.0.1", "0.0.0.0", "[::1].evil.example.com", "" } do
	local r = ask(gw, key, { host = host })
	expect(r.status, host):is(403)
	expect(r.json.error.message):has("add it to hosts:")
end
for _, origin in ipairs { "http://localhost:6274", "http://127.0.0.1:" .. gw.port, "https://[::1]" } do
	expect(ask(gw, key, { origin = origin }).status, origin):is(200)
end
for _, origin in ipairs { "http://evil.example.com", "null", "https://localhost.evil.example.com", "localhost", "file://",
	"http://localhost@evil.example.com", "" } do
	local r = ask(gw, key, { origin = origin })
	expect(r.status, origin):is(403)
	expect(r.json.error.message):has("add it to origins:")
end
expect(gw:client():get("/mcp", { origin = "http://evil.example.com" }).status, "before the key is looked at"):is(403)
expect(gw:client():get("/healthz", { host = "evil.example.com" }).status):is(200)
expect(gw:client():get("/admin/api/keys", { host = "evil.example.com" }).status >= 403):is(true)

test "hosts and origins of a listen entry widen it by exactly what they say"
local gw = gateway { yaml = 'listen:\n  - { address: "127.0.0.1:0", hosts: ["gate.example.com", "other.example.com:8443"], ' ..
	'origins: ["https://app.example.com"] }' }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
for host, status in pairs { ["gate.example.com"] = 200, ["GATE.example.com:1234"] = 200, ["other.example.com:8443"] = 200,
	["other.example.com"] = 403, ["127.0.0.1"] = 200, ["x.gate.example.com"] = 403 } do
	expect(ask(gw, key, { host = host }).status, host):is(status)
end
for origin, status in pairs { ["https://app.example.com"] = 200, ["http://app.example.com"] = 403,
	["https://gate.example.com"] = 200, ["https://app.example.com:444"] = 403 } do
	expect(ask(gw, key, { origin = origin }).status, origin):is(status)
end

test "a page of a listed origin may read replies, and its preflight is answered; others get neither"
local gw = gateway { yaml = 'listen:\n  - { address: "127.0.0.1:0", origins: ["https://app.example.com"] }' }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
local function preflight(path, origin)
	return gw:client():request { method = "OPTIONS", path = path, headers = { origin = origin,
		["access-control-request-method"] = "POST", ["access-control-request-headers"] = "authorization" } }
end
local r = preflight("/mcp", "https://app.example.com")
expect(r.status):is(204)
expect(r.headers["access-control-allow-origin"]):is("https://app.example.com")
expect(r.headers["access-control-allow-headers"]):has("Authorization")
r = ask(gw, key, { origin = "https://app.example.com" })
expect(r.headers["access-control-allow-origin"]):is("https://app.example.com")
expect(r.headers["access-control-expose-headers"]):has("Mcp-Session-Id")
expect(r.headers.vary):is("origin")
expect(preflight("/mcp", "http://evil.example.com").status):is(403)
r = preflight("/mcp", "http://localhost:3000")
expect(r.status):is(401)
expect(r.headers["access-control-allow-origin"]):is(nil)
expect(preflight("/v1/models", "https://app.example.com").status):is(405)
expect(ask(gw, key, {}).headers["access-control-allow-origin"]):is(nil)

test "elsewhere than on loopback any Host is answered, but a foreign Origin is not"
local gw = gateway { yaml = 'listen:\n  - { address: "0.0.0.0:0", serves: [mcp], insecure: true }' }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
expect(ask(gw, key, { host = "gate.example.com" }).status):is(200)
expect(ask(gw, key, { host = "evil.example.com", origin = "http://evil.example.com" }).status):is(403)
expect(ask(gw, key, { host = "10.1.2.3:8080", origin = "http://10.1.2.3:8080" }).status):is(200)
expect(ask(gw, key, { host = "10.1.2.3:8080", origin = "http://10.1.2.4:8080" }).status):is(403)

test "addresses that cannot be meant are told with their place"
local gw = gateway { start = false, yaml = 'trusted_proxies: ["10.0.0.1/8"]' }
expect(gw:cli({ "check" }).err):matches("tollgate.yaml:%d+:%d+: an address or range was expected")
gw = gateway { start = false, yaml = 'listen:\n  - { address: "127.0.0.1:0", hosts: ["https://gate.example.com"] }' }
expect(gw:cli({ "check" }).err):has("a host is a name")
gw = gateway { start = false, yaml = 'listen:\n  - { address: "127.0.0.1:0", origins: ["gate.example.com"] }' }
expect(gw:cli({ "check" }).err):has("an origin begins with https:// or http://")

test "without trusted_proxies a forwarded address is nobody's word: audit and log carry the peer's"
local gw, key, up = behind("")
local c = gw:client(key)
c.headers["x-forwarded-for"] = "203.0.113.7"
expect(c:message().status):is(200)
gw:stop()
local rows = gw:audit()
expect(json.encode(rows)):lacks("203.0.113.7")
expect(json.encode(rows)):matches('"address":"127%.0%.0%.1:%d+"')
expect(gw.process.err):lacks("203.0.113.7")
expect(up.requests[1].headers["x-forwarded-for"]):is(nil)

test "behind a trusted proxy audit rows and the access log carry the client's address, for models and tools"
local gw, key, up = behind('trusted_proxies: ["127.0.0.0/8", "10.0.0.0/8"]')
local c = gw:client(key)
c.headers["x-forwarded-for"] = "1.2.3.4, 203.0.113.7 , 10.9.8.7"
expect(c:message().status):is(200)
local m = gw:mcp(key)
m.c.headers["x-forwarded-for"] = "2001:DB8:0::5"
m:call("github__get_issue", {})
c.headers["x-forwarded-for"] = "203.0.113.99, \"evil\""
c:get("/nothing")
gw:stop()
local rows = gw:audit()
expect(rows):has { kind = "model", address = "203.0.113.7" }
expect(rows):has { kind = "tool", name = "github/get_issue", address = "2001:db8::5" }
expect(gw.process.err):matches("access [^\n]*client=203%.0%.113%.7 [^\n]*/anthropic/v1/messages")
expect(gw.process.err):matches("access [^\n]*client=127%.0%.0%.1 [^\n]*/nothing")
expect(gw.process.err):lacks("evil")
