-- SPDX-License-Identifier: Apache-2.0
-- What a gateway that dies leaves behind: everything.

local BODY = '{"model":"claude-sonnet-4-6","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'

local function rows(gw, by)
	local u = gw:ok { "usage", "--by", by, "--json" }.json
	return u[1] or u
end

test "a gateway that is stopped politely has lost nothing"
local up = provider { usage = { input_tokens = 7, output_tokens = 3 } }
local gw = gateway { providers = { anthropic = up } }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
for _ = 1, 20 do expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200) end
expect(gw:stop()):is(0)
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
expect(rows(gw, "key")):has { requests = 20, input_tokens = 140, output_tokens = 60 }
gw:start()
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)

test "killed at random points, the audit verifies and usage covers all that the provider was asked"
-- limit: 100 s
math.randomseed(4711)
local up = provider { usage = { input_tokens = 7, output_tokens = 3 } }
local gw = gateway { providers = { anthropic = up } }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
local sent = 0
for round = 1, 20 do
	local target = #up.requests + math.random(1, 60)
	local port, going = gw.port, true
	for _ = 1, 4 do
		spawn(function()
			local c = gw:client(key)
			while going do
				sent = sent + 1
				if not pcall(c.post, c, "/anthropic/v1/messages", BODY) then return end
			end
		end)
	end
	wait_for("traffic", function() return #up.requests >= target end)
	gw:kill9()
	going = false
	gw:start()
	local v = gw:cli { "audit", "verify" }
	expect(v.code, "round " .. round .. ": " .. v.out .. v.err):is(0)
end
gw:stop()
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
-- What entered is there: no fewer than arrived at the provider, no more than was sent.
local usage = rows(gw, "key")
expect(usage.requests):above(#up.requests - 1)
expect(usage.requests):below(sent + 1)
expect(usage.cost_nusd):above(up.usage.requests * (7 * 3000 + 3 * 15000) - 1)

test "a second gateway on the same data folder is refused, naming the first"
local gw = gateway {}
local p = process({ gw:binary(), "run", "-c", gw.config }, {}, gw.folder)
expect(p:wait()):is(1)
expect(p.err):has(tostring(gw.pid))
expect(gw:client():get("/healthz").status):is(200)

test "a damaged audit row is found, and named"
local gw = gateway {}
gw:key { name = "one", customer = "acme", team = "payments", user = "ana" }
gw:key { name = "two", customer = "acme", team = "payments", user = "ana" }
gw:stop()
local p = process({ "/bin/sh", "-c", "sed -i 's/\"one\"/\"uno\"/g' tollgate.db" }, {}, gw.data)
expect(p:wait()):is(0)
expect(gw:cli({ "audit", "verify" }).code):is(1)
