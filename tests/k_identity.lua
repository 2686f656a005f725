-- SPDX-License-Identifier: Apache-2.0
-- People who come to /mcp with a token of the company's identity provider: whom it lets in, as whom, and whom not.

local ORG = { ["root/all.yaml"] = 'version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        payments:\n' ..
	'          users:\n            ana: {}\n            ben: {}\npolicy: all\nowner: "#rig"\napplies_to: { users: [ana] }\nrules:\n  - allow: sums/add\n' }

local function ask(gw, token, path)
	local c = gw:client(token)
	return c:post(path or "/mcp", json.encode { jsonrpc = "2.0", id = 1, method = "initialize", params = {
		protocolVersion = "2025-11-25", capabilities = { x = true }, clientInfo = { name = "t", version = "1" } } },
		{ accept = "application/json, text/event-stream" })
end

-- What comes when the issuer's keys have been read.
local function answer(gw, token)
	local r
	for _ = 1, 500 do
		r = ask(gw, token)
		if r.status ~= 503 then break end
		expect(r.headers["retry-after"]):is("1")
	end
	return r
end

local function world(more, options)
	local as, up = issuer {}, mcp_server "sums" { tools = { "add" } }
	local gw = gateway { servers = { sums = up }, policies = ORG, clock = options and options.clock,
		yaml = 'identity: { issuer: "' .. as.url .. '"' .. (more or "") .. " }\nviews:\n  all: { tools: [\"sums/*\"] }\n" }
	answer(gw, as:bring { sub = "ana" })
	gw:wait_tools(gw:key { name = "rig", customer = "acme", team = "payments", user = "ana" }.key, 1)
	return gw, as, up, "http://127.0.0.1:" .. gw.port .. "/mcp"
end

test "a token's user calls with her own grants, and every call is a row under her key"
local gw, as, up, resource = world()
local ana, ben = as:bring { sub = "ana", aud = resource }, as:bring { sub = "ben", aud = { "x", resource } }
expect(gw:mcp(ana):tools()):same { "sums__add" }
expect(gw:mcp(ana):call("sums__add").content[1].text):is("add done")
expect(gw:mcp(ben):tools()):same {}
expect(gw:mcp(ben):call("sums__add")):error(-32602)
expect(#up.calls):is(1)
expect(up.calls[1].headers.authorization):is(nil)
local rows, made, called = gw:audit(), 0, nil
for _, r in ipairs(rows) do
	if r.name == "key.create" and r.actor == "identity" then made = made + 1 end
	if r.name == "sums/add" and r.verdict == "ok" then called = r end
end
expect(made):is(2)
expect(called.user):is("ana")
expect(called.key_name):is("+ana")
expect(ask(gw, as:bring({ sub = "ana", aud = resource .. "/v/all" }), "/mcp/v/all").status):is(200)

test "who comes without one is told where to get it, and a virtual key still opens"
local gw, as, up, resource = world ", scopes: [mcp, tools]"
local r = ask(gw, nil)
expect(r.status):is(401)
local where = r.headers["www-authenticate"]:match('resource_metadata="([^"]*)"')
expect(where):is("http://127.0.0.1:" .. gw.port .. "/.well-known/oauth-protected-resource/mcp")
expect(r.headers["www-authenticate"]):has('scope="mcp tools"')
local doc = gw:client():get("/.well-known/oauth-protected-resource/mcp").json
expect(doc.resource):is(resource)
expect(doc.authorization_servers):same { as.url }
expect(doc.scopes_supported):same { "mcp", "tools" }
expect(gw:client():get("/.well-known/oauth-protected-resource/mcp/v/all").json.resource):is(resource .. "/v/all")
expect(gw:client():get("/.well-known/oauth-protected-resource/other").status):is(404)
expect(gw:client():get("/.well-known/oauth-authorization-server").status):is(404)
expect(ask(gw, gw:dev()).status):is(200)
local bad = ask(gw, "tg-" .. ("a"):rep(40))
expect(bad.status):is(401)
expect(bad.headers["www-authenticate"]):is("Bearer")
local few = ask(gw, as:bring { sub = "ana", aud = resource, scope = "mcp" })
expect(few.status):is(403)
expect(few.headers["www-authenticate"]):has('error="insufficient_scope"')
expect(ask(gw, as:bring { sub = "ana", aud = resource, scope = "tools other mcp" }).status):is(200)
expect(ask(gw, as:bring { sub = "ana", aud = resource, scp = { "mcp", "tools" } }).status):is(200)

test "another issuer's, another audience's, a stale, an early, an unsigned or a foreign token opens nothing"
local gw, as, up, resource = world()
local stranger = issuer {}
local function no(token, words)
	local r = ask(gw, token)
	expect(r.status):is(401)
	expect(r.body):has(words)
end
no(as:bring { sub = "ana", aud = "http://127.0.0.1:1/mcp" }, "another audience")
no(as:bring { sub = "ana", aud = resource .. "/../x" }, "another audience")
no(as:bring { sub = "ana", aud = resource .. "x" }, "another audience")
no(as:bring { sub = "ana" }, "another audience")
no(as:bring { sub = "ana", aud = resource, iss = stranger.url }, "another issuer")
no(as:bring { sub = "ana", aud = resource, exp = os.time() - 61 }, "expired")
no(as:bring { sub = "ana", aud = resource, exp = false }, "when it ends")
no(as:bring { sub = "ana", aud = resource, nbf = os.time() + 120 }, "not valid yet")
no(as:bring { aud = resource }, 'no claim \\"sub\\"')
no(as:bring({ sub = "ana", aud = resource }, '{"alg":"none"}'), "no token of the issuer")
no(stranger:bring({ sub = "ana", aud = resource, iss = as.url }, '{"alg":"ES256"}'), "signature")
no(as:bring({ sub = "ana", aud = resource }):sub(1, -5) .. "AAAA", "signature")
no("eyJhbGciOiJFUzI1NiJ9.e30.", "no token of the issuer")
local r = ask(gw, as:bring { sub = "zoe", aud = resource })
expect(r.status):is(403)
expect(ask(gw, as:bring { sub = "../ana", aud = resource }).status):is(403)
expect(gw:client(as:bring { sub = "ana", aud = resource }):post("/anthropic/v1/messages", "{}").status):is(401)

test "a user is disabled like any key, also for a token that was good before"
local gw, as, up, resource = world()
local token = as:bring { sub = "ana", aud = resource }
expect(ask(gw, token).status):is(200)
expect(gw:cli({ "key", "disable", "+ana" }).code):is(0)
expect(ask(gw, token).status):is(401)
expect(ask(gw, as:bring { sub = "ana", aud = resource, jti = "2" }).status):is(401)
expect(gw:cli({ "key", "enable", "+ana" }).code):is(0)
expect(ask(gw, token).status):is(200)
expect(gw:cli({ "key", "rotate", "+ana" }).err):has("has no secret")
expect(gw:cli({ "key", "create", "--name", "+ben", "--user", "ben" }).code):is(1)
expect(gw:cli({ "key", "revoke", "+ana" }).code):is(0)
expect(ask(gw, token).status):is(401)
gw:stop()
gw:start()
expect(answer(gw, token).status):is(401)

test "the claim, the domain and the audience are the operator's to say"
local gw, as = world ', user: email, domain: acme.example, audience: "api://gate"'
expect(ask(gw, as:bring { email = "ana@Acme.example", aud = "api://gate" }).status):is(200)
expect(ask(gw, as:bring { email = "ana@acme.example", aud = "api://gate", email_verified = true }).status):is(200)
expect(ask(gw, as:bring { email = "ana@acme.example.evil", aud = "api://gate" }).status):is(403)
expect(ask(gw, as:bring { email = "ana", aud = "api://gate" }).status):is(403)
local claims = '{"iss":"' .. as.url .. '","exp":' .. os.time() + 60 .. ',"aud":"api://gate","email":"ana@acme.example","email_verified":false}'
expect(ask(gw, as.key:jwt('{"alg":"ES256"}', claims)).status):is(401)

test "a new key of the issuer's is found, an issuer that is away changes nothing"
local gw, as, up, resource = world(nil, { clock = true })
local function token(n) return as:bring { sub = "ana", aud = resource, jti = n, exp = 1800000000 } end
local first = token "1"
expect(ask(gw, first).status):is(200)
as.o.broken = true
gw:advance "30m"
expect(ask(gw, token "2").status):is(200)
as.o.broken = false
as:rotate()
gw:advance "2m"
local second = token "3"
expect(answer(gw, second).status):is(200)
expect(answer(gw, first).status):is(401)
local before = #as.asked
for i = 1, 5 do expect(ask(gw, as:bring({ sub = "ana", aud = resource, jti = "x" .. i }, '{"alg":"ES256","kid":"nobody"}')).status):is(401) end
expect(#as.asked):is(before)
