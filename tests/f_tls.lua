-- SPDX-License-Identifier: Apache-2.0
-- TLS towards clients: certificates, their renewal, client certificates, and where plain HTTP is refused.

local function listen_yaml(c, more)
	return 'listen:\n  - { address: "127.0.0.1:0", serves: [model, mcp], tls: { cert: "' .. c.cert .. '", key: "' ..
		c.key .. '"' .. (more or "") .. ' } }'
end

local function edge(c, o)
	o = o or {}
	local up = provider(o.provider)
	local gw = gateway { providers = { anthropic = up }, yaml = listen_yaml(c, o.more), clock = o.clock }
	return gw, up, gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
end

local function secure(gw, key, c, more)
	local tls = { ca = c.cert, name = "localhost", alpn = "http/1.1" }
	for k, v in pairs(more or {}) do tls[k] = v end
	return client { port = gw.port, tls = tls,
		headers = key and { authorization = "Bearer " .. key.key } or nil }
end

test "a model request and its reply pass through TLS 1.3, with http/1.1 agreed on, and again on the same connection"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c)
local cl = secure(gw, key, c)
expect(cl:message().json.content[1].text):is("hello")
expect(cl:message().status):is(200)
expect(cl.w.tls:info()):same { version = "TLSv1.3", alpn = "http/1.1", name = "localhost" }
expect(#up.requests):is(2)

test "what is shown to paste, and what connect prints, is https with the name that the certificate is for"
local c = certificate { name = "localhost" }
local gw = gateway { yaml = 'listen:\n  - { address: "127.0.0.1:0", hosts: [localhost], tls: { cert: "' .. c.cert ..
	'", key: "' .. c.key .. '" } }' }
local base = "https://localhost:" .. gw.port
wait_for("the lines", function() return gw.process.out:find("\n") end)
expect(gw:ok({ "connect", "claude-code" }).out):has(base .. "/mcp")
local f = io.open(gw.data .. "/first-run")
expect(f:read("a")):has("Tollgate is ready on " .. base .. "\n")
f:close()
local plain = gateway {}
expect(plain:ok({ "connect", "claude-code" }).out):has("http://127.0.0.1:" .. plain.port .. "/mcp")

test "TLS 1.2 works too, with and without ALPN; a client that wants only h2 is told so"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c)
expect(secure(gw, key, c, { max = "1.2" }):message().status):is(200)
local cl = client { port = gw.port, tls = { ca = c.cert, name = "localhost" } }
expect(cl:get("/healthz").status):is(200)
expect(tls_refusal(secure(gw, key, c, { alpn = "h2" }))):has("no application protocol")
expect(tls_refusal(secure(gw, key, c, { name = "tls" }))):has("certificate verify failed")

test "large bodies pass both ways, whole, and a slow reader holds the provider back"
local c = certificate { name = "localhost" }
local text = string.rep("0123456789abcdef", 200000)
local gw, up, key = edge(c, { provider = { text = text } })
local cl = secure(gw, key, c)
local r = cl:message { messages = json.array { { role = "user", content = text } } }
expect(#up.requests[1].json.messages[1].content):is(#text)
expect(r.json.content[1].text == text):is(true)

test "a stream arrives event by event over TLS"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c, { provider = { chunks = 4, hold_after = 4 } })
local r = secure(gw, key, c):message { stream = true }
for _ = 1, 4 do r:event() end
up:release()
local last
repeat
	local e = r:event()
	last = e and e.event or last
until not e
expect(last):is("message_stop")

test "pipelined requests in many records are answered in order, and the connection ends with a close_notify"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c)
local cl = secure(gw, key, c)
local n = 40
local one = cl:bytes { path = "/healthz", headers = { ["x-fill"] = string.rep("f", 8000) } }
cl:send(string.rep(one, n - 1) .. cl:bytes { path = "/healthz", headers = { connection = "close" } })
for i = 1, n do expect(cl:response().status, "reply " .. i):is(200) end
expect(cl:closed()):is(true)
expect(cl.w.ended):is("eof")

test "plain HTTP on the TLS port gets no reply, half a handshake is given up, and others go on"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c)
local plain = client { port = gw.port }
plain:send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
expect(plain:closed()):is(true)
local half = client { port = gw.port }
half:send("\22\3\1\2\0\1\0")
half:reset()
expect(secure(gw, key, c):message().status):is(200)
expect(gw.process.err):lacks("libwebsockets")

test "a handshake that does not go on is cut after 30 seconds, an idle connection is not"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c, { clock = true })
local idle = secure(gw, key, c)
idle:wire()
expect(idle:get("/healthz").status):is(200)
local fresh = secure(gw, key, c)
fresh:wire()
local half = client { port = gw.port }
half:send("\22\3\1\2\0\1\0")
expect(secure(gw, key, c):get("/healthz").status):is(200) -- accepted after the half one
gw:advance("31s")
expect(half:closed()):is(true)
expect(idle:get("/healthz").status):is(200)
expect(fresh:get("/healthz").status):is(200)

test "a renewed certificate is used for the next connection, and an open stream goes on"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c, { clock = true, provider = { chunks = 4, hold_after = 4 } })
local r = secure(gw, key, c):message { stream = true }
for _ = 1, 4 do r:event() end
c:again { name = "renewed" }
gw:advance("3s")
local cl = secure(gw, key, c, { name = "renewed" })
expect(cl:get("/healthz").status):is(200)
expect(cl.w.tls:info().name):is("renewed")
up:release()
local last
repeat
	local e = r:event()
	last = e and e.event or last
until not e
expect(last):is("message_stop")
expect(gw.process.err):has("certificate read again")

test "SIGHUP reads certificates again at once; a broken one changes nothing and is told"
local c = certificate { name = "localhost" }
local gw, up, key = edge(c, { clock = true })
c:again { name = "renewed" }
sys.kill(gw.pid, 1)
wait_for("the reload", function() return gw.process.err:find("certificate read again", 1, true) end)
expect(secure(gw, key, c, { name = "renewed" }):get("/healthz").status):is(200)
sys.write_file(c.cert .. ".new", "no certificate")
local good = c.cert .. ".good"
os.rename(c.cert, good)
os.rename(c.cert .. ".new", c.cert)
gw:advance("3s")
wait_for("the refusal", function() return gw.process.err:find("certificate not read again", 1, true) end)
expect(gw.process.err):has(c.cert .. " is no PEM certificate")
expect(client({ port = gw.port, tls = { ca = good, name = "renewed" } }):get("/healthz").status):is(200)

test "with client_ca only a client with a certificate of that authority gets in"
local ca, c = certificate { name = "rig-ca" }, certificate { name = "localhost" }
local ana, eve = certificate { name = "ana", by = ca }, certificate { name = "eve" }
local gw, up, key = edge(c, { more = ', client_ca: "' .. ca.cert .. '"' })
expect(secure(gw, key, c, ana):message().status):is(200)
expect(tls_refusal(secure(gw, key, c))):has("certificate required")
expect(tls_refusal(secure(gw, key, c, eve))):matches("unknown ca")
expect(tls_refusal(secure(gw, key, c, { max = "1.2" }))):has("handshake failure")
expect(#up.requests):is(1)

test "two listeners: each serves only what it lists, with its own certificate, and run.json names both"
local a, b = certificate { name = "localhost" }, certificate { name = "localhost" }
local up = provider()
local gw = gateway { providers = { anthropic = up }, yaml = 'listen:\n' ..
	'  - { address: "127.0.0.1:0", serves: [mcp, metrics] }\n' ..
	'  - { address: "127.0.0.1:0", serves: [model], tls: { cert: "' .. a.cert .. '", key: "' .. a.key .. '" } }\n' ..
	'  - { address: "127.0.0.1:0", serves: [admin], tls: { cert: "' .. b.cert .. '", key: "' .. b.key .. '" } }' }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
local ports = {}
for port in json.encode(gw.run.listen):gmatch(":(%d+)") do ports[#ports + 1] = tonumber(port) end
expect(#ports):is(3)
local plain, model, admin = client { port = ports[1] },
	client { port = ports[2], tls = { ca = a.cert, name = "localhost" } },
	client { port = ports[3], tls = { ca = b.cert, name = "localhost" } }
plain.headers = { authorization = "Bearer " .. key.key }
model.headers, admin.headers = plain.headers, plain.headers
expect(plain:get("/metrics").status):is(200)
expect(plain:message().status):is(404)
expect(model:message().status):is(200)
expect(model:get("/metrics").status):is(404)
expect(model:post("/mcp", {}).status):is(404)
expect(admin:message().status):is(404)
expect(admin:get("/admin/api/keys").status ~= 200):is(true)
for _, c in ipairs { plain, model, admin } do expect(c:get("/healthz").status):is(200) end

test "what is wrong with listen is told with file, line and column, and nothing starts"
local c, other = certificate { name = "localhost" }, certificate { name = "localhost" }
local function problem(listen)
	local gw = gateway { start = false, yaml = "listen:\n  - " .. listen }
	local r = gw:cli { "check" }
	expect(r.code):is(1)
	local run = process({ gw:binary(), "run", "-c", gw.config })
	expect(run:wait()):is(1)
	expect(run.err):has(r.err:match("[^\n]*tollgate.yaml:%d+:%d+: [^\n]*"))
	return r.err
end
local function tls(cert, key) return '{ address: "127.0.0.1:0", tls: { cert: "' .. cert .. '", key: "' .. key .. '" } }' end
expect(problem('{ address: "0.0.0.0:8080" }')):matches("tollgate.yaml:%d+:%d+: without TLS only loopback is listened on")
expect(problem('{ address: "127.0.0.1:0", tls: { cert: gate.pem } }')):matches("tollgate.yaml:%d+:%d+: tls needs cert and key")
expect(problem(tls("/nowhere.pem", c.key))):matches("tollgate.yaml:%d+:%d+: /nowhere.pem is no PEM certificate")
expect(problem(tls(c.cert, other.key))):has("or not that of " .. c.cert)
expect(problem(tls(c.cert, c.cert))):has(" is no PEM key ")
expect(problem('{ address: "127.0.0.1:0", tls: { cert: "' .. c.cert .. '", key: "' .. c.key .. '", client_ca: "' .. c.key .. '" } }'))
	:has(c.key .. " holds no PEM certificates")
expect(gateway({ start = false, yaml = 'listen:\n  - { address: "0.0.0.0:0", insecure: true }' }):cli({ "check" }).code):is(0)
expect(gateway({ start = false, yaml = 'listen:\n  - { address: "0.0.0.0:0", tls: { cert: "' .. c.cert .. '", key: "' ..
	c.key .. '" } }' }):cli({ "check" }).code):is(0)
