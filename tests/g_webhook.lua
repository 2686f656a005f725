-- SPDX-License-Identifier: Apache-2.0
-- Events that leave: signed, tried again, and nobody's wait.

local SECRET = "a-secret-of-the-receiver"

-- A receiver: the fake provider answers any path.
local function receiver(options)
	local up = provider(options)
	return up, string.format('webhooks: { url: "%s/hook?x=1", secret: env:HOOK_SECRET }\n', up.url)
end

local function hooked(options, more)
	local up, yaml = receiver(options)
	local o = { yaml = yaml, env = { HOOK_SECRET = SECRET } }
	for k, v in pairs(more or {}) do o[k] = v end
	return gateway(o), up
end

-- What the documentation tells a receiver to do.
local function genuine(r)
	return r.headers["x-tollgate-signature"] == "v1=" .. sys.hmac(SECRET, r.headers["x-tollgate-timestamp"] .. "." .. r.body)
end

test "an event arrives signed, with the id that its body has"
local gw, up = hooked({}, { clock = "2026-08-21T10:00:00Z" })
gw:ok { "webhook", "test" }
up:wait(1)
local r = up.requests[1]
expect(r.method):is("POST")
expect(r.target):is("/hook?x=1")
expect(r.headers["content-type"]):is("application/json")
expect(r.headers["x-tollgate-event"]):is("test")
expect(r.headers["x-tollgate-timestamp"]):is("1787306400")
expect(r.json):same { id = r.headers["x-tollgate-delivery"], event = "test", at = "2026-08-21T10:00:00Z", data = {} }
expect(genuine(r)):is(true)
r.body = r.body .. " "
expect(genuine(r)):is(false)

test "what is not received is sent again, later and later, under the same id and a new time"
local answers = { 500, 404, 200 }
local gw, up = hooked({ on = function(r) return { status = table.remove(answers, 1), body = {} } end },
	{ clock = "2026-08-21T10:00:00Z" })
gw:ok { "webhook", "test" }
up:wait(1)
wait_for("the first failure", function() return gw.process.err:find("told again later.-tries=1") end)
gw:advance("1s")
up:wait(2)
wait_for("the second failure", function() return gw.process.err:find("told again later.-tries=2") end)
gw:advance("1s")
expect(#up.requests):is(2)
gw:advance("1s")
up:wait(3)
wait_for("the receipt", function()
	return gw:client():get("/metrics").body:find('tollgate_webhook_events_total{result="sent"} 1', 1, true)
end)
expect(up.requests[3].json.id):is(up.requests[1].json.id)
expect(up.requests[3].headers["x-tollgate-timestamp"]):is("1787306403")
for i = 1, 3 do expect(genuine(up.requests[i]), "request " .. i):is(true) end
gw:advance("10m")
expect(#up.requests):is(3)

test "a receiver that hangs holds up nobody, and no more than the queue is kept for it"
local gw, up = hooked({ hold = true })
for _ = 1, 6 do gw:ok { "webhook", "test" } end
up:wait(4) -- at once
expect(gw:client():get("/metrics").body):has("tollgate_webhook_waiting 6")
expect(#up.requests):is(4)
gw:stop()
expect(gw.process.err):has("events were not told")
expect(gw.process.err:find(SECRET, 1, true)):is(nil)

test "without a secret, or without a webhook, nothing is sent, and the command says why"
local up, yaml = receiver {}
local gw = gateway { yaml = yaml }
expect(gw.process.err):has("the webhook is disabled: HOOK_SECRET is not set")
expect(gw:cli { "webhook", "test" }.err):has("no webhook is configured")
expect(#up.requests):is(0)
local gw = gateway { yaml = "webhooks: { url: https://hooks.example.com }\n", start = false }
expect(gw:cli { "check" }.err):has("webhooks needs url and secret")
local gw = gateway { yaml = "webhooks: { url: http://hooks.example.com, secret: env:HOOK_SECRET }\n", start = false }
expect(gw:cli { "check" }.err):has("an https URL was expected")
