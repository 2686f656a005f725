-- SPDX-License-Identifier: Apache-2.0
-- Servers that want tokens: who signs in, what is kept, what is renewed, and what is never believed.

local function world(as, options)
	options.tokens, options.era = as, options.era or "modern"
	options.tools = options.tools or { "add" }
	options.yaml = options.yaml or "oauth: {}"
	local up = mcp_server "sums" (options)
	return gateway { servers = { sums = up }, clock = options.clock }, up
end

local function sign_in(gw, as)
	local r = gw:cli { "servers", "sign-in", "sums", "--json" }
	expect(r.code):is(0)
	local address = json.decode(r.out).address
	return gw:client():get(as:consent(address):match("^http://[^/]+(/.*)$"))
end

local function state(gw) return json.decode(gw:cli { "servers", "--json" }.out)[1] end

-- Each user's own token: ann and bob, and a page where a browser shows a virtual key.
local PEOPLE = { ["root/all.yaml"] = 'version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        payments:\n' ..
	'          users:\n            ann: {}\n            bob: {}\npolicy: all\nowner: "#rig"\napplies_to: "*"\nrules:\n  - allow: sums/add\n' }

local function people(era)
	local as = issuer {}
	local up = mcp_server "sums" { tokens = as, era = era, tools = { "add" }, yaml = "oauth: { per: user }" }
	local gw = gateway { servers = { sums = up }, policies = PEOPLE }
	sign_in(gw, as)
	local ann = gw:key { name = "ann", customer = "acme", team = "payments", user = "ann" }.key
	local bob = gw:key { name = "bob", customer = "acme", team = "payments", user = "bob" }.key
	gw:wait_tools(ann, 1)
	return gw, as, up, ann, bob
end

-- The person's browser: shows the key, goes to the issuer, and comes back with the cookie (or not).
local function visit(gw, as, key, cookie)
	local page = gw:client():request { method = "POST", path = "/oauth/sign-in/sums", body = "key=" .. key,
		headers = { ["content-type"] = "application/x-www-form-urlencoded", origin = "http://127.0.0.1:" .. gw.port } }
	expect(page.status):is(200)
	expect(page.body):lacks(key)
	local back = as:consent((page.body:match('href="([^"]*)"'):gsub("&amp;", "&"))):match("^http://[^/]+(/.*)$")
	local set = page.headers["set-cookie"]
	expect(set):has("HttpOnly; SameSite=Lax")
	return gw:client():request { method = "GET", path = back, headers = { cookie = cookie or "other=1; " .. set:match("^[^;]*") } }
end

local function asked(era)
	local gw, as, up, ann, bob = people(era)
	local c = gw:mcp(ann)
	c.capabilities = { elicitation = { url = { x = 1 } } }
	local r = c:rpc("tools/call", { name = "sums__add", arguments = { n = 1 } })
	expect(r.resultType):is("input_required")
	local name, question = next(r.inputRequests)
	expect(question.params.mode):is("url")
	expect(question.params.url):is("http://127.0.0.1:" .. gw.port .. "/oauth/sign-in/sums")
	expect(visit(gw, as, ann).status):is(200)
	local again = c:rpc("tools/call", { name = "sums__add", arguments = { n = 1 }, requestState = r.requestState,
		inputResponses = { [name] = { action = "accept" } } })
	expect(again.content[1].text):is("add done")
	expect(up.calls[1].headers.authorization):is("Bearer access-2")
	expect(up.calls[1].raw):lacks("sign-in")
	local b = gw:mcp(bob)
	local no = b:call("sums__add")
	expect(no.raw):has("you have to sign in there first (http://127.0.0.1:" .. gw.port .. "/oauth/sign-in/sums)")
	expect(visit(gw, as, bob).status):is(200)
	expect(b:call("sums__add").content[1].text):is("add done")
	expect(up.calls[2].headers.authorization):is("Bearer access-3")
	expect(c:call("sums__add").content[1].text):is("add done")
	expect(up.calls[3].headers.authorization):is("Bearer access-2")
end

test "a server that wants tokens says so, a person signs in, and calls go with the token"
local as = issuer {}
local gw, up = world(as, { scopes = { "sums:read" } })
expect(state(gw).failure):matches("tollgate servers sign%-in sums")
local page = sign_in(gw, as)
expect(page.status):is(200)
expect(page.body):has("<b>sums</b>")
local key = gw:dev()
gw:wait_tools(key, 1)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
expect(up.calls[1].headers.authorization):is("Bearer access-1")
local visit, paths = as.visits[1], as:paths()
expect(visit.resource):is(up.url)
expect(visit.scope):is("sums:read")
expect(visit.redirect_uri):is("http://127.0.0.1:" .. gw.port .. "/oauth/callback")
expect(paths[1]):is("/.well-known/oauth-authorization-server")
local exchange = as.asked[#as.asked]
expect(exchange.path):is("/token")
expect(exchange.form.resource):is(up.url)
expect(exchange.headers.authorization):matches("^Basic ")
expect(exchange.form.client_id):is(nil)

test "what was signed in survives a restart, sealed"
local as = issuer {}
local gw, up = world(as, {})
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 1)
gw:stop()
local kept = sys.list(gw.data .. "/kept")
expect(#kept):is(2)
for _, name in ipairs(kept) do
	local bytes = read_file(gw.data .. "/kept/" .. name)
	expect(bytes):lacks("access-1")
	expect(bytes):lacks("s3cret")
end
gw:start()
gw:wait_tools(key, 1)
expect(#as.visits):is(1)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")

test "a server of the same name at another address does not get the tokens of the first"
local as = issuer {}
local gw, up = world(as, {})
sign_in(gw, as)
gw:wait_tools(gw:dev(), 1)
local other = mcp_server "sums" { tokens = as, tools = { "add" } }
gw:stop()
sys.write_file(gw.config, (read_file(gw.config):gsub(up.url:gsub("%p", "%%%0"), other.url)))
gw:start()
wait_for("the server", function() return #other.requests > 0 end)
for _, r in ipairs(other.requests) do expect(r.headers.authorization):is(nil) end
expect(state(gw).failure):matches("tollgate servers sign%-in sums")

test "a token that has ended is renewed once, whoever asks"
local as = issuer { lives = 600 }
local gw, up = world(as, { clock = true })
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 1)
local before = #as.asked
gw:advance "10m"
local got = {}
for i = 1, 5 do spawn(function() got[i] = gw:mcp(key):call("sums__add").content[1].text end) end
wait_for("all five", function() return #got == 5 end)
local renewals = 0
for i = before + 1, #as.asked do renewals = renewals + (as.asked[i].form.grant_type == "refresh_token" and 1 or 0) end
expect(renewals):is(1)
expect(as.asked[#as.asked].form.resource):is(up.url)

test "a token that is refused early is renewed, and the call made once"
local as = issuer {}
local gw, up = world(as, {})
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 1)
as:revoke()
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
expect(#up.calls):is(1)
expect(up.calls[1].headers.authorization):is("Bearer access-2")

test "when nothing can be renewed the call says who has to do what, and no word of the issuer's"
local as = issuer {}
local gw, up = world(as, {})
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 1)
as:forget()
local r = gw:mcp(key):call("sums__add")
local text = r.raw
expect(text):lacks("secret words")
expect(text):lacks("refresh%-")
expect(text):lacks("access%-")
local again = gw:mcp(key):call("sums__add").raw
expect(again):has("sign")
expect(#up.calls):is(0)
sign_in(gw, as)
wait_for("the server", function() return state(gw).state == "ready" end)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")

test "an answer of another issuer, without its name, or with a used state is refused"
local as = issuer { iss = "https://evil.example" }
local gw, up = world(as, {})
local page = sign_in(gw, as)
expect(page.status):is(403)
expect(page.body):has("does not come from the issuer")
as.o.iss = nil
local address = json.decode(gw:cli { "servers", "sign-in", "sums", "--json" }.out).address
local back = as:consent(address):match("^http://[^/]+(/.*)$")
expect(gw:client():get((back:gsub("&iss=.*", ""))).status):is(403)
expect(gw:client():get(back).status):is(404)
expect(gw:client():get("/oauth/callback?code=x&state=" .. ("a"):rep(43)).status):is(404)
for _, a in ipairs(as.asked) do expect(a.path ~= "/token"):is(true) end

test "metadata about another resource, another issuer or without PKCE ends it before anybody is sent there"
local as = issuer {}
local gw = world(as, { resource = "https://evil.example/mcp" })
local r = gw:cli { "servers", "sign-in", "sums" }
expect(r.code):is(1)
expect(r.err):has("another resource")
expect(#as.asked):is(0)
local other = issuer { metadata = { issuer = "http://127.0.0.1:1" } }
expect(world(other, {}):cli({ "servers", "sign-in", "sums" }).err):has("another issuer")
local plain = issuer { metadata = { code_challenge_methods_supported = json.array { "plain" } } }
expect(world(plain, {}):cli({ "servers", "sign-in", "sums" }).err):has("PKCE")
expect(#plain.asked > 0 and plain.asked[#plain.asked].path):is("/.well-known/oauth-authorization-server")

test "client credentials need nobody, and ask for more rights when the server does"
local as = issuer { register = false, methods = { "client_secret_post" } }
local gw, up = world(as, { yaml = 'oauth: { grant: client_credentials, client_id: gate, client_secret: "env:RIG_PROVIDER_KEY", scopes: [read] }',
	needs = function(r) return r.json and r.json.method == "tools/call" and "write" or nil end })
local key = gw:dev()
gw:wait_tools(key, 1)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
local first, last
for _, a in ipairs(as.asked) do
	if a.path == "/token" then first, last = first or a, a end
end
expect(first.form.scope):is("read")
expect(last.form.scope):is("read write")
expect(last.form.client_id):is("gate")
expect(#last.form.client_secret > 0):is(true)

test "an issuer that fails is asked again later, and nothing that was kept is lost"
local as = issuer { lives = 60 }
local gw, up = world(as, { clock = true })
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 1)
gw:advance "2m"
as.o.broken = true
expect(gw:mcp(key):call("sums__add").raw):has("HTTP 500")
as.o.broken = false
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
expect(#as.visits):is(1)

test "a server that wants again what it was given does not send people around in a circle"
local as = issuer {}
local gw, up = world(as, { scopes = { "never" }, needs = function() return "never" end })
as.o.narrow = true
for i = 1, 2 do
	expect(sign_in(gw, as).status):is(200)
	wait_for("the server's no", function() return state(gw).restarts > i end)
end
local r = gw:cli { "servers", "sign-in", "sums" }
expect(r.code):is(1)
expect(r.err):has("try again in ten minutes")
expect(#as.visits):is(2)

test "each user signs in for herself when a call needs it (modern server)"
asked "modern"

test "each user signs in for herself when a call needs it (legacy server)"
asked "legacy"

test "a legacy client is asked on its stream"
local gw, as, up, ann = people "modern"
local c = legacy_client(gw, ann, { elicitation = { url = { x = 1 } } })
local r = c.stream { jsonrpc = "2.0", id = 2, method = "tools/call", params = { name = "sums__add", arguments = { n = 1 } } }
local q = r:event().json
expect(q.method):is("elicitation/create")
expect(q.params.mode):is("url")
expect(visit(gw, as, ann).status):is(200)
expect(c.post({ jsonrpc = "2.0", id = q.id, result = { action = "accept" } }).status):is(202)
expect(r:event().json.result.content[1].text):is("add done")
expect(up.calls[1].raw):lacks("accept")

test "an address that is sent to somebody else, a foreign page and a wrong key end at the gateway"
local gw, as, up, ann, bob = people "modern"
local before = as.n
expect(visit(gw, as, ann, "x=1").status):is(403)
expect(visit(gw, as, ann, "__Host-tollgate-sign-in=" .. ("a"):rep(32)).status):is(403)
expect(as.n):is(before)
local function post(key, origin)
	return gw:client():request { method = "POST", path = "/oauth/sign-in/sums", body = "key=" .. key,
		headers = { origin = origin, ["content-type"] = "application/x-www-form-urlencoded" } }
end
expect(post(ann, "https://evil.example").status):is(403)
expect(post("tg-" .. ("a"):rep(40), "http://127.0.0.1:" .. gw.port).status):is(401)
expect(gw:client():get("/oauth/sign-in/nothing").status):is(200)
expect(gw:client():request({ method = "POST", path = "/oauth/sign-in/nothing", body = "key=" .. ann }).status):is(404)
local page = gw:client():get("/oauth/sign-in/%22%3Cscript%3E")
expect(page.body):lacks("<script>")
expect(page.headers["content-security-policy"]):has("default-src 'none'")

test "a sign-in that fails leaves the tokens that work"
local as = issuer {}
local gw, up = world(as, {})
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 1)
local address = json.decode(gw:cli { "servers", "sign-in", "sums", "--json" }.out).address
local back = as:consent(address):match("^http://[^/]+(/.*)$")
as.codes = {}
gw:client():get(back)
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")

test "one call that wants more rights leaves all others their token"
local as = issuer {}
local gw, up = world(as, { tools = { "add", "admin" }, needs = function(r)
	return r.json and r.json.method == "tools/call" and r.json.params.name == "admin" and "admin" or nil end })
sign_in(gw, as)
local key = gw:dev()
gw:wait_tools(key, 2)
for i = 1, 3 do expect(gw:mcp(key):call("sums__admin").raw):has("sign in there first") end
expect(gw:mcp(key):call("sums__add").content[1].text):is("add done")
sign_in(gw, as)
expect(as.visits[2].scope):has("admin")
expect(gw:mcp(key):call("sums__admin").content[1].text):is("admin done")

test "the settings' secret is shown to no other issuer than the first, and kept tokens to none that the settings do not name"
local as, evil = issuer { register = false }, issuer { register = false }
local gw, up = world(as, { yaml = 'oauth: { grant: client_credentials, client_id: gate, client_secret: "env:RIG_PROVIDER_KEY" }' })
local key = gw:dev()
gw:wait_tools(key, 1)
up.options.tokens = evil
gw:mcp(key):call("sums__add")
for _, a in ipairs(evil.asked) do expect(a.path ~= "/token"):is(true) end
expect(gw:mcp(key):call("sums__add").raw):has("another issuer than before")
local first, other = issuer { lives = 1 }, issuer {}
local gw2, up2 = world(first, {})
sign_in(gw2, first)
gw2:wait_tools(gw2:dev(), 1)
gw2:stop()
local before = #first.asked
sys.write_file(gw2.config, (read_file(gw2.config):gsub("oauth: {}", 'oauth: { issuer: "' .. other.url .. '" }')))
gw2:start()
expect(#first.asked):is(before)

test "a server without TLS that is not on this host gets no tokens"
local gw = gateway {}
sys.write_file(gw.config, read_file(gw.config) .. 'servers: { far: { url: "http://example.com/mcp", oauth: {} } }\n')
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err):has("https URL")
