-- SPDX-License-Identifier: Apache-2.0
-- What scripts used and kept out of contexts: one count, from the audit's rows to what an engineer sees.

local POLICY = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        core: { users: { ana: {}, bob: {} } }
        web: { users: { cem: {} } }
policy: all
applies_to: "*"
rules:
  - allow: shop/*
  - allow: code:run
]]

local WORK = "local rows = shop.list{} local t = {} for i = 1, %d do t[i] = i end return #rows"

local function world(options)
	local rows = {}
	for i = 1, 200 do rows[i] = { id = i, name = "article number " .. i } end
	local up = mcp_server "shop" { tools = { { name = "list",
		result = { content = { { type = "text", text = json.encode(rows) } } } } } }
	return gateway { servers = { shop = up }, policies = { ["root/rig.yaml"] = POLICY },
		clock = options and options.clock }
end

local function run(gw, key, n)
	local r = gw:mcp(key):call("lua", { code = WORK:format(n) })
	expect(r.content[1].text):is("200")
end

-- Of the rows, as anybody would add them up.
local function of_rows(gw, member, name)
	local sum = { runs = 0, kept_bytes = 0, cpu_us = 0, memory_kb = 0 }
	for _, row in ipairs(gw:audit()) do
		if row.kind == "run" and row.verdict == "ok" and row[member] == name then
			sum.runs, sum.kept_bytes = sum.runs + 1, sum.kept_bytes + (row.kept_bytes or 0)
			sum.cpu_us, sum.memory_kb = sum.cpu_us + (row.cpu_us or 0), math.max(sum.memory_kb, row.memory_kb or 0)
		end
	end
	expect(sum.kept_bytes > 1000 and sum.cpu_us > 0 and sum.memory_kb > 0, name .. " did something"):is(true)
	return sum
end

local function usage(gw, by, name)
	for _, row in ipairs(gw:ok({ "usage", "--by", by, "--json" }).json) do
		if row.name == name then return row end
	end
end

local function same(got, sum, what)
	for _, member in ipairs { "runs", "kept_bytes", "cpu_us", "memory_kb" } do
		expect(got[member], what .. ", " .. member):is(sum[member])
	end
	expect(got.kept_tokens_estimate, what .. ", tokens"):is(sum.kept_bytes // 4)
end

test "usage by team, user and key is the sum of the audit's rows, and the most of one script for memory"
local gw = world()
local ana, bob, cem = gw:key { name = "a", user = "ana" }, gw:key { name = "b", user = "bob" }, gw:key { name = "c", user = "cem" }
gw:wait_tools(ana, 3)
run(gw, ana, 10)
run(gw, ana, 300000)
run(gw, bob, 20)
run(gw, cem, 1000)
same(usage(gw, "team", "core"), of_rows(gw, "team", "core"), "team core")
same(usage(gw, "team", "web"), of_rows(gw, "team", "web"), "team web")
same(usage(gw, "user", "ana"), of_rows(gw, "user", "ana"), "user ana")
same(usage(gw, "key", ana.id), of_rows(gw, "key", ana.id), "key a")
expect(usage(gw, "key", ana.id).memory_kb > usage(gw, "key", bob.id).memory_kb):is(true)
-- For people: seconds and MiB, and a token is taken for four bytes.
local text, core = gw:ok({ "usage" }).out, of_rows(gw, "team", "core")
expect(text):has("~tokens")
expect(text):matches(("core [^\n]* %d +%d +%d%%.%03d +%d\n"):format(core.kept_bytes, core.kept_bytes // 4,
	core.cpu_us // 1000000, core.cpu_us % 1000000 // 1000, (core.memory_kb + 1023) // 1024))
-- By team on /metrics.
local metrics = gw:client():get("/metrics").body
expect(metrics):has(('tollgate_run_cpu_us_total{team="acme/core"} %d\n'):format(core.cpu_us))
expect(metrics):has(('tollgate_run_kept_bytes_total{team="acme/core"} %d\n'):format(core.kept_bytes))
expect(metrics):has(('tollgate_run_kept_tokens_estimate_total{team="acme/core"} %d\n'):format(core.kept_bytes // 4))
expect(metrics):has(('tollgate_run_memory_kb_max{team="acme/core"} %d\n'):format(core.memory_kb))
expect(metrics):has('tollgate_run_cpu_us_total{team="acme/web"} ')
expect(gw:ok({ "audit", "verify" }).out):matches("^ok")
-- A process that dies loses nothing of it.
run(gw, cem, 2000)
local web = of_rows(gw, "team", "web")
gw:kill9()
gw:start()
same(usage(gw, "team", "web"), web, "team web, after a crash")
expect(gw:ok({ "audit", "verify" }).out):matches("^ok")

test "/me tells what the key's scripts did today, this week, month and year; also after a restart"
local gw = world { clock = "2026-08-21T23:00:00Z" }
local ana, bob = gw:key { name = "a", user = "ana" }, gw:key { name = "b", user = "bob" }
gw:wait_tools(ana, 3)
local function me(key)
	local in_period = {}
	for _, p in ipairs(gw:client(key):get("/me").json.scripts) do in_period[p.period] = p end
	return in_period
end
expect(me(ana).day):has { runs = 0, kept_bytes = 0, kept_tokens_estimate = 0, cpu_us = 0, memory_kb = 0,
	since = "2026-08-21T00:00:00Z", ["until"] = "2026-08-22T00:00:00Z" }
run(gw, ana, 10)
run(gw, ana, 100000)
run(gw, bob, 10)
local first = of_rows(gw, "key", ana.id)
for _, period in ipairs { "day", "week", "month", "year" } do same(me(ana)[period], first, period) end
gw:advance "2h" -- a Saturday
expect(me(ana).day.since):is("2026-08-22T00:00:00Z")
expect(me(ana).day.runs):is(0)
run(gw, ana, 10)
expect(me(ana).day.runs):is(1)
local both = of_rows(gw, "key", ana.id)
expect(both.runs):is(3)
same(me(ana).week, both, "week")
local before = me(ana)
gw:restart()
gw:wait_tools(ana, 3)
for period, p in pairs(me(ana)) do expect(p, period):same(before[period]) end
-- What was refused is no run.
sys.write_file(gw.folder .. "/policies/root/rig.yaml", (POLICY:gsub("  %- allow: code:run\n", "")))
gw:ok { "reload" }
gw:mcp(ana):call("lua", { code = "return 1" })
expect(me(ana).day.runs):is(1)
