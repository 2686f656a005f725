-- SPDX-License-Identifier: Apache-2.0
-- Outgoing connections: certificates of our own choice, and proxies.

-- A CONNECT proxy on loopback, whatever name is asked for; port: where it goes instead.
local function tunnel(o)
	local t = { heads = {}, open = 0 }
	t.port = rig.server(function(w)
		local head = w:up_to("\r\n\r\n")
		if not head then return end
		t.heads[#t.heads + 1] = head
		if o.refuse then w:send("HTTP/1.1 " .. o.refuse .. "\r\nContent-Length: 0\r\n\r\n") return end
		local up = rig.wire(sys.connect(o.port))
		w:send("HTTP/1.1 200 Connection established\r\n\r\n")
		t.open = t.open + 1
		spawn(function()
			while up:fill() do
				w:send(up.buf)
				up.buf = ""
			end
			sys.finish(w.fd)
		end)
		repeat
			up:send(w.buf)
			w.buf = ""
		until not w:fill()
		sys.finish(up.fd)
	end, o.tls)
	return t
end

local function through(up, more, env)
	local gw = gateway { env = env, yaml = 'providers:\n  anthropic: { kind: anthropic, url: "' .. (up.at or up.url) ..
		'", key: env:RIG_PROVIDER_KEY' .. more .. " }\nmodels:\n  claude-sonnet-4-6: { provider: anthropic }" }
	return gw, gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
end

test "a provider's certificate is believed when ca_file says so, and not otherwise"
local c = certificate { name = "localhost" }
local up = provider { tls = c }
local gw, key = through(up, ', ca_file: "' .. c.cert .. '"')
expect(gw:client(key):message().status):is(200)
local other, key2 = through(up, "")
local r = other:client(key2):message()
expect(r.status):is(502)
expect(r.json.error.message):matches("certificate")
expect(#up.requests):is(1)

test "a certificate for another name is not believed"
local c = certificate { name = "other.example.com" }
local up = provider { tls = c }
local gw, key = through(up, ', ca_file: "' .. c.cert .. '"')
expect(gw:client(key):message().status):is(502)
expect(#up.requests):is(0)

test "a provider behind a proxy is reached by CONNECT, in TLS from end to end, and the proxy sees no header of ours"
local c = certificate { name = "api.rig.test" }
local up = provider { tls = c }
local t = tunnel { port = up.port }
up.at = "https://api.rig.test:4443"
local gw, key = through(up, ', ca_file: "' .. c.cert .. '", proxy: "http://127.0.0.1:' .. t.port .. '"')
local cl = gw:client(key)
expect(cl:message().status):is(200)
expect(cl:message().status):is(200)
expect(#t.heads, "one connection for both"):is(1)
expect(t.heads[1]):matches("^CONNECT api%.rig%.test:4443 HTTP/1%.1\r\n")
expect(t.heads[1]):lacks("sk-rig-upstream")
expect(t.heads[1]):lacks(key.key)
expect(up.requests[1].headers.host):is("api.rig.test:4443")

test "a plain provider behind a proxy too, with the proxy's password from the environment, shown nowhere"
local up = provider()
local t = tunnel { port = up.port }
up.at = "http://api.rig.test"
local gw, key = through(up, ', proxy: "http://ana:{env:RIG_PASSWORD}@127.0.0.1:' .. t.port .. '"',
	{ RIG_PASSWORD = "hunter2" })
expect(gw:client(key):message().status):is(200)
expect(t.heads[1]):has("Proxy-Authorization: Basic YW5hOmh1bnRlcjI=")
gw:stop()
expect(gw.process.err .. gw.process.out):lacks("hunter2")

test "a proxy that refuses, or that is not there, is a bad gateway that names no password"
local t = tunnel { refuse = "407 Proxy Authentication Required" }
local up = { at = "https://api.rig.test" }
local gw, key = through(up, ', proxy: "http://ana:{env:RIG_PASSWORD}@127.0.0.1:' .. t.port .. '"',
	{ RIG_PASSWORD = "hunter2" })
local r = gw:client(key):message()
expect(r.status):is(502)
expect(r.json.error.message):has("407")
expect(r.body):lacks("hunter2")

test "a tool server behind a proxy is reached the same way"
local srv = mcp_server "github" { tools = { "get_issue" } }
local t = tunnel { port = srv.port }
local gw = gateway { yaml = 'servers:\n  github: { url: "http://tools.rig.test/mcp", proxy: "http://127.0.0.1:' .. t.port .. '" }' }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
expect(gw:wait_tools(key, 1)[1]):is("github__get_issue")
expect(t.heads[1]):matches("^CONNECT tools%.rig%.test:80 ")

test "the environment's proxies are never used"
local up = provider()
local t = tunnel { refuse = "500 No" }
local proxy = "http://127.0.0.1:" .. t.port
local gw, key = through(up, "", { http_proxy = proxy, HTTP_PROXY = proxy, https_proxy = proxy, ALL_PROXY = proxy, all_proxy = proxy })
expect(gw:client(key):message().status):is(200)
expect(#t.heads):is(0)

test "what is wrong with proxy and ca_file is told with its place; a password in the open is warned about"
local function check(more)
	return gateway({ start = false, yaml = 'providers:\n  anthropic: { kind: anthropic, url: "https://api.rig.test", ' ..
		'key: env:RIG_PROVIDER_KEY' .. more .. " }" }):cli { "check" }
end
expect(check(', proxy: "127.0.0.1:3128"').err):matches("tollgate.yaml:%d+:%d+: a proxy begins with http://")
expect(check(', ca_file: "/nowhere.pem"').err):matches("tollgate.yaml:%d+:%d+: /nowhere.pem holds no PEM certificates")
local r = check(', proxy: "http://ana:hunter2@127.0.0.1:3128"')
expect(r.code):is(0)
expect(r.err):has("a password written here")
expect(r.err):lacks("hunter2")
r = check(', proxy: "http://ana:{env:RIG_NOT_SET}@127.0.0.1:3128"')
expect(r.code):is(0)
expect(r.err):has("provider anthropic is disabled: RIG_NOT_SET is not set")
r = gateway({ start = false, yaml = 'servers:\n  a: { command: [/bin/true], proxy: "http://127.0.0.1:1" }' }):cli { "check" }
expect(r.err):has("proxy and ca_file are for a server with url")
