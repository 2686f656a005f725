-- SPDX-License-Identifier: Apache-2.0
-- Keys that die, and what dies with them.

local function edge(options)
	local up = provider(options)
	local gw = gateway { providers = { anthropic = up } }
	return gw, up, gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
end

-- Reads until the stream ends in any way; the last event's name, and whether it was cut.
local function rest_of(r)
	local last, e, why
	repeat
		e, why = r:event()
		last = e and e.event or last
	until not e
	return last, why
end

test "a revoked key cuts its stream, at the client and at the provider, and pays for what was delivered"
local gw, up, key = edge { chunks = 4, hold_after = 4 }
local r = gw:client(key):message { stream = true }
for _ = 1, 4 do r:event() end
gw:ok { "key", "revoke", "dev" }
local last = rest_of(r)
expect(last ~= "message_stop"):is(true)
up:wait_aborted(1)
local again = gw:client(key):message()
expect(again.status):is(401)
expect(again.headers["x-should-retry"]):is("false")
expect(again.json.error.type):is("authentication_error")
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows, head %x+")

test "the stream is told why between two events, and breaks off in the middle of one"
local gw, up, key = edge { chunks = 4, hold_after = 4 }
local r = gw:client(key):message { stream = true }
for _ = 1, 4 do r:event() end
gw:ok { "key", "revoke", "dev" }
local e = r:event()
expect(e.event):is("error")
expect(e.json.type):is("error")
expect(e.json.error.type):is("authentication_error")
expect(e.json.error.message):has("is revoked")
expect({ r:event() }):same {}
local gw, up, key = edge { chunks = 4, hold_within = 5 }
local r = gw:client(key):message { stream = true }
for _ = 1, 4 do r:event() end
gw:ok { "key", "revoke", "dev" }
local last, why = rest_of(r)
expect(last):is(nil)
expect(why ~= nil, "it was cut"):is(true)
up:wait_aborted(1)

test "a disabled key is cut and refused, and works again when it is enabled"
local gw, up, key = edge { hold_after = 2 }
local r = gw:client(key):message { stream = true }
r:event()
gw:ok { "key", "disable", "dev" }
rest_of(r)
expect(gw:client(key):get("/v1/quota").status):is(401)
gw:ok { "key", "enable", "dev" }
expect(gw:client(key):get("/v1/quota").status):is(200)

test "the first key of a rotation is cut at the end of its overlap, and only that one"
local up = provider { chunks = 4, hold_after = 2 }
local gw = gateway { providers = { anthropic = up }, clock = "2026-08-21T10:00:00Z" }
local turns, stays = gw:key { name = "turns", user = "ana" }, gw:key { name = "stays", user = "ana" }
gw:ok { "key", "rotate", "turns", "--overlap", "1m" }
local a, b = gw:client(turns):message { stream = true }, gw:client(stays):message { stream = true }
a:event() b:event()
gw:advance("1m")
expect((rest_of(a)) ~= "message_stop"):is(true)
up:wait_aborted(1)
up:release()
expect((rest_of(b))):is("message_stop")

test "a revoked key stays revoked, also after a restart"
local gw, up, key = edge()
gw:ok { "key", "revoke", "dev" }
expect(gw:cli({ "key", "enable", "dev" }).code):is(1)
gw:restart()
expect(gw:client(key):message().status):is(401)

test "revoking one key leaves another's stream alone"
local gw, up, key = edge { chunks = 4, hold_after = 4 }
gw:key { name = "other", customer = "acme", team = "payments", user = "ana" }
local r = gw:client(key):message { stream = true }
for _ = 1, 4 do r:event() end
gw:ok { "key", "revoke", "other" }
up:release()
expect((rest_of(r))):is("message_stop")

test "the secret of a key is nowhere in the data folder, nor in the log"
local gw, up, key = edge()
gw:client(key):message()
gw:stop()
local p = process({ "/bin/grep", "-rlaF", key.key, gw.data })
expect(p:wait()):is(1)
expect(gw.process.err .. gw.process.out):lacks(key.key)
expect(gw.process.err .. gw.process.out):lacks("sk-rig-upstream")

test "a key made while the gateway runs works at once"
local gw = gateway {}
local key = gw:key { name = "late", customer = "acme", team = "payments", user = "ana" }
expect(gw:client(key):get("/v1/quota").status):is(200)

test "either credential header is enough, and the one that looks like a key is believed"
local gw, up, key = edge()
for _, headers in ipairs { { ["x-api-key"] = key.key }, { ["x-tollgate-key"] = key.key },
	{ authorization = "Bearer sk-ant-something", ["x-api-key"] = key.key },
	{ authorization = "Bearer " .. key.key, ["x-api-key"] = "sk-ant-something" } } do
	expect(client({ port = gw.port, headers = headers }):message().status, rig.show(headers)):is(200)
end
for _, r in ipairs(up.requests) do expect(r.raw):lacks("sk-ant-something") end
