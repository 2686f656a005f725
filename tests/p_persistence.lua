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

test "killed at 100 random points, ledger, audit and usage agree, and nothing that was answered is missing"
-- limit: 120 s
local SEED = tonumber(os.getenv("SEED") or "4711") -- another one: SEED=1 build/rig tests/p_persistence.lua
local ROUNDS = tonumber(os.getenv("ROUNDS") or "100")
math.randomseed(SEED)
local up = provider { usage = { input_tokens = 7, output_tokens = 3 } }
local shop = mcp_server "shop" { tools = { "price" } }
local gw = gateway { providers = { anthropic = up }, servers = { shop = shop } }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
local sent, answered, calls_sent, calls_answered = 0, 0, 0, 0

local function traffic(going)
	for _ = 1, 3 do
		spawn(function()
			local c = gw:client(key)
			while going.on do
				sent = sent + 1
				local ok, r = pcall(c.post, c, "/anthropic/v1/messages", BODY)
				if not ok then return end
				if r.status == 200 and r.json and r.json.usage then answered = answered + 1 end
			end
		end)
	end
	spawn(function()
		local c = gw:mcp(key)
		while going.on do
			calls_sent = calls_sent + 1
			local ok, r = pcall(c.call, c, "shop__price", { n = calls_sent })
			if not ok then return end
			if r.content and not r.isError then calls_answered = calls_answered + 1 end
		end
	end)
end

for round = 1, ROUNDS do
	local target = #up.requests + #shop.calls + math.random(1, 40)
	local going = { on = true }
	traffic(going)
	wait_for("traffic", function() return #up.requests + #shop.calls >= target end)
	gw:kill9()
	going.on = false
	gw:start()
	if round % 10 == 0 then
		local v = gw:cli { "audit", "verify" }
		expect(v.code, "seed " .. SEED .. ", round " .. round .. ": " .. v.out .. v.err):is(0)
	end
end
gw:stop()
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows") -- the ledger is the sum of the rows

local rows_of, cost, seen = { model = 0, tool = 0 }, 0, {}
for _, row in ipairs(gw:audit()) do
	expect(seen[row.id], "the pass " .. row.id .. " has two rows"):is(nil)
	seen[row.id] = true
	if rows_of[row.kind] and row.verdict == "ok" then
		rows_of[row.kind] = rows_of[row.kind] + 1
		cost = cost + row.cost_nusd
		-- What was open when it died is charged at what it held, all else at what it cost.
		if row.kind == "model" then
			expect(row["end"] == "ok" or row["end"] == "crashed"):is(true)
			expect(row.cost_nusd):is(row["end"] == "ok" and 7 * 3000 + 3 * 15000 or row.hold_nusd)
		end
		rows_of[row["end"]] = (rows_of[row["end"]] or 0) + 1
	end
end
local usage = rows(gw, "key")
expect(usage.requests):is(rows_of.model)
expect(usage.calls):is(rows_of.tool)
expect(usage.cost_nusd):is(cost)
expect(rows_of.crashed):above(0)
-- Nothing that a client or an upstream saw is missing, and nothing is there that nobody sent.
expect(rows_of.model):above(#up.requests - 1)
expect(rows_of.model):below(sent + 1)
expect(rows_of.tool):above(#shop.calls - 1)
expect(rows_of.tool):below(calls_sent + 1)
expect(rows_of.ok):above(answered + calls_answered - 1)
expect(answered):above(ROUNDS / 4)
expect(calls_answered):above(0)

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

test "while nothing can be written, a model request ends in 503 and is asked of nobody, also the first that finds out"
local function file_limit(gw, bytes)
	expect(process({ "/usr/bin/prlimit", "--pid", tostring(gw.pid), "--fsize=" .. bytes .. ":unlimited" }, {}):wait()):is(0)
end
local up = provider {}
local gw = gateway { providers = { anthropic = up }, clock = true }
local key = gw:key { name = "dev", user = "ana" }
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)
local gone = gw:key { name = "gone", user = "ana" }
file_limit(gw, 1)
local first = gw:client(key)
first:send(first:bytes { method = "POST", path = "/anthropic/v1/messages", body = BODY })
while gw:client():get("/readyz").status == 200 do end
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(503)
expect(gw:cli({ "key", "create", "--name", "late" }).err):has("cannot be written")
-- Who ends a key meanwhile is told what he waits for: it has ended before its row can be written.
local ending = process({ gw:binary(), "key", "revoke", "gone", "-c", gw.config }, {}, gw.folder)
wait_for("the reason", function()
	return ending.err:find("no answer yet, the gateway says: the journal cannot be written (EFBIG)", 1, true)
end)
expect(gw:client(gone):get("/v1/quota").status):is(401)
gw:advance("5s")
local answer = first:head("POST"):read_body()
expect(answer.status):is(503)
expect(answer.json.error.message):matches("nothing was asked of 127.0.0.1:%d+ %(is the disk full%?%)")
expect(#up.requests):is(1)
file_limit(gw, "unlimited")
gw:advance("1s")
expect(ending:wait(10000)):is(0)
while gw:client():get("/readyz").status ~= 200 do end -- the anchor is written by the scribe
expect(gw:client(key):post("/anthropic/v1/messages", BODY).status):is(200)
expect(#up.requests):is(2)
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")
-- It had entered: that is a row, which cost nothing.
local model = {}
for _, row in ipairs(gw:audit()) do if row.kind == "model" then model[#model + 1] = row end end
expect(#model):is(3)
expect(model[2]):has { ["end"] = "upstream", cost_nusd = 0 }
