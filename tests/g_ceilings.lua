-- SPDX-License-Identifier: Apache-2.0
-- What one script may use: time, memory, calls, bytes and money, by rules for code:run.  The smallest
-- of all of them holds, and whoever is ended is told by which rule.

local PRICES = [[
version: 1
date: 2026-08-01
models: {}
tools:
  shop/order: 0.25
  shop/price: 0.01
]]

local ORG = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        payments: { users: { ana: {} } }
        core: { users: { cat: {} } }
]]

-- Rules of everybody from line 6 on; `files`: more of them.
local function world(rules, files, options)
	local policies = { ["root/org.yaml"] = ORG,
		["root/tools.yaml"] = 'version: 1\npolicy: tools\nowner: "#tools"\napplies_to: "*"\nrules:\n' .. rules ..
			'  - allow: "shop/*"\n' }
	for path, text in pairs(files or {}) do policies[path] = text end
	local shop = mcp_server "shop" { tools = { { name = "price", result = { content = { { type = "text", text = ("x"):rep(600) } } } },
		{ name = "order" }, { name = "wait", hang = true } } }
	local gw = gateway { servers = { shop = shop }, prices = PRICES, yaml = "prices: prices.yaml\n", policies = policies, clock = options and options.clock }
	local ana = gw:key { name = "ana-laptop", user = "ana" }
	gw:wait_tools(ana, 5)
	return gw, ana, shop
end

local failed -- the last of these
local function run(gw, key, code)
	local r = gw:mcp(key):call("lua", { code = code })
	failed = r.error ~= nil or r.isError
	return r.error and r.error.message or r.content[1].text
end

local function last(gw, kind, verdict)
	local rows = gw:audit()
	for i = #rows, 1, -1 do
		if rows[i].kind == kind and (verdict == nil or rows[i].verdict == verdict) then return rows[i] end
	end
end

test "the call too many ends the script, and tells by which rule; a script within is as before"
local gw, ana, shop = world("  - allow: code:run\n    limit: { calls: 3 }\n")
expect(run(gw, ana, "for i = 1, 3 do shop.price{} end return 'all three'")):has("all three")
local text = run(gw, ana, "for i = 1, 9 do pcall(shop.price, {}) end return 1")
expect(failed):is(true)
expect(text):has("error (CALLS) line 1: the tool-call budget of this run is used up")
expect(text):has("\nat most 3 calls a script by policy tools:6 (ask #tools)")
expect(#shop.calls):is(6)
expect(last(gw, "run")):has { detail = "CALLS", limit = "root/tools.yaml:7", calls = 3 }

test "a number with a time counts scripts, one without counts the calls of each: both may stand"
local gw, ana = world("  - allow: code:run\n    limit: [{ calls: 2 }, { calls: 2/hour }]\n")
expect(run(gw, ana, "shop.price{} shop.price{} return 1")):has("1")
expect(run(gw, ana, "shop.price{} shop.price{} shop.price{} return 1")):has("at most 2 calls a script")
expect(run(gw, ana, "return 1")):has("2 calls/hour")
expect(gw:client(ana):get("/v1/quota").json.rule_limits[1]):has { limit = "calls", amount = 2, left = 0, period = "hour" }

test "a script that takes longer than its seconds is ended, and what it waited for is called off"
local gw, ana, shop = world("  - allow: code:run\n    limit: { seconds: 20 }\n", nil, { clock = "2026-08-21T12:00:00Z" })
local text
spawn(function() text = run(gw, ana, "return shop.wait{}") end)
wait_for("the call", function() return #shop.calls == 1 end)
gw:advance("19s")
expect(text):is(nil)
gw:advance("1s")
wait_for("the end", function() return text end)
expect(text):has("error (WALL)")
expect(text):has("at most 20 s a script by policy tools:6")
expect(last(gw, "run")):has { detail = "WALL", limit = "root/tools.yaml:7" }
expect(last(gw, "tool")):has { ["end"] = "cancelled" }

test "a script that needs more memory than it may have is ended"
local gw, ana = world("  - allow: code:run\n    limit: { memory: 4MiB }\n")
local text = run(gw, ana, "local t = {} for i = 1, 1e7 do t[i] = ('x'):rep(1000) .. i end return #t")
expect(text):has("error (OOM)")
expect(text):has("at most 4 MiB of memory a script by policy tools:6")
expect(run(gw, ana, "return #('x'):rep(1000000)")):has("1000000")

test "what its tools answer is counted, and too much of it never reaches the script"
local gw, ana, shop = world("  - allow: code:run\n    limit: { bytes: 2KiB }\n")
local text = run(gw, ana, "local n = 0 for i = 1, 9 do pcall(shop.price, {}) print('got ' .. i) end return 1")
expect(failed):is(true)
expect(text):has("error (BYTES): its tools have answered ")
expect(text):has("at most 2 KiB of results a script by policy tools:6")
expect(text):has("got 2")
expect(text):lacks("got 4")
expect(#shop.calls <= 4, "calls"):is(true)
expect(last(gw, "run")):has { detail = "BYTES", limit = "root/tools.yaml:7" }
expect(gw:client():get("/metrics").body):has('tollgate_runs_total{end="BYTES"} 1')

test "a script's money is its own: the call that would go beyond is refused, and the script can catch that"
local gw, ana, shop = world("  - allow: code:run\n    limit: { money: 0.60 USD }\n")
local text = run(gw, ana, [[
local ok, n = true, 0
for i = 1, 4 do
	local fine, e = pcall(shop.order, {})
	if fine then n = n + 1 else print(e.code .. ": " .. e.message) end
end
shop.price{}
return n .. " orders"]])
expect(text):has("2 orders")
expect(text):has("budget: this script has spent or reserved 0.50 USD and the call may cost 0.25 USD · at most 0.60 USD a script by policy tools:6 (ask #tools)")
expect(#shop.calls):is(3)
expect(last(gw, "tool", "budget_exhausted")):has { name = "shop/order", limit = "root/tools.yaml:7" }
expect(run(gw, ana, "shop.order{} return 'the next one begins anew'")):has("anew")
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "calls at once cannot spend together what each could alone"
local gw, ana, shop = world("  - allow: code:run\n    limit: { money: 0.60 USD }\n")
local text = run(gw, ana, [[
local n = 0
pmap({1, 2, 3, 4, 5, 6}, function() if pcall(shop.order, {}) then n = n + 1 end end)
return n]])
expect(text):has("2")
expect(#shop.calls):is(2)

test "the smallest of all rules holds: a team can narrow its scripts, never widen them, and nobody else's"
local function team(rule)
	return { ["customers/acme/teams/payments/own.yaml"] = "version: 1\npolicy: own\napplies_to: { teams: [payments] }\nrules:\n" .. rule }
end
local gw, ana = world("  - allow: code:run\n    limit: { calls: 4, seconds: 30 }\n",
	team("  - limit: code:run\n    to: { calls: 2, seconds: 59 }\n"))
expect(run(gw, ana, "for i = 1, 3 do shop.price{} end")):has("at most 2 calls a script by policy own:5")
local cat = gw:key { name = "cat-laptop", user = "cat" }
expect(run(gw, cat, "for i = 1, 4 do shop.price{} end return 'four'")):has("four")
expect(gw:client(ana):get("/v1/quota").json.script_limits):same {
	{ limit = "seconds", amount = 30, text = "30 s", policy = "tools:6" },
	{ limit = "calls", amount = 2, text = "2 calls", policy = "own:5" } }
expect(gw:ok { "quota", "--key", "ana-laptop" }.out):has("at most 2 calls a script (policy own:5)")
-- What a change of it does for whom is part of a diff.
sys.mkdir(gw.folder .. "/next")
sys.mkdir(gw.folder .. "/next/root")
sys.write_file(gw.folder .. "/next/root/org.yaml", ORG)
sys.write_file(gw.folder .. "/next/root/tools.yaml",
	'version: 1\npolicy: tools\napplies_to: "*"\nrules:\n  - allow: code:run\n    limit: { calls: 3, seconds: 30 }\n  - allow: "shop/*"\n')
local r = gw:ok { "policy", "diff", gw.folder .. "/policies", gw.folder .. "/next" }
expect(r.out):has("acme/payments, acme/payments/ana\n  + code:run: allow at most 30 s, 2 calls a script -> allow at most 30 s, 3 calls a script\n")
expect(r.out):has("  - code:run: allow at most 30 s, 4 calls a script -> allow at most 30 s, 3 calls a script\n")
local r = gw:ok { "policy", "explain", "--user", "ana", "--call", "code:run" }
expect(r.out):has("  a script has at most\n    30 s (root/tools.yaml:7)\n    2 calls (customers/acme/teams/payments/own.yaml:6)\n")
expect(r.out):has("allow tools:6 code:run at most 30 s, 4 calls a script -> true")

local gw, ana = world("  - allow: code:run\n    limit: { calls: 2 }\n", team("  - allow: code:run\n    limit: { calls: 50 }\n"))
expect(run(gw, ana, "for i = 1, 3 do shop.price{} end")):has("at most 2 calls a script by policy tools:6")

test "a policy that only observes bounds nothing, and one that hides its reasons does not tell them"
local gw, ana = world("  - allow: code:run\n", { ["root/soon.yaml"] =
	"version: 1\npolicy: soon\napplies_to: \"*\"\nmode: observe\nrules:\n  - limit: code:run\n    to: { calls: 1 }\n" })
expect(run(gw, ana, "for i = 1, 3 do shop.price{} end return 'three'")):has("three")
local gw, ana = world("  - allow: code:run\n", { ["root/hush.yaml"] =
	"version: 1\npolicy: hush\napplies_to: \"*\"\nexplain: opaque\nrules:\n  - limit: code:run\n    to: { calls: 1 }\n" })
local text = run(gw, ana, "for i = 1, 3 do shop.price{} end")
expect(text):has("error (CALLS)")
expect(text):lacks("hush")
expect(last(gw, "run").limit):is("root/hush.yaml:7")

test "on a level that observes nothing is bounded, and who is excepted is not"
local gw, ana = world("  - allow: code:run\n    limit: { calls: 1 }\n", { ["root/org.yaml"] = ORG:gsub("organisation:", "organisation:\n  enforcement: observe", 1) })
expect(run(gw, ana, "shop.price{} shop.price{} return 'two'")):has("two")
expect(gw:client(ana):get("/v1/quota").json.script_limits):same {}
local gw, ana = world("  - allow: code:run\n  - limit: code:run\n    to: { calls: 1 }\n    unless: { subject: { users: [ana] } }\n")
expect(run(gw, ana, "shop.price{} shop.price{} return 'two'")):has("two")
local cat = gw:key { name = "cat-laptop", user = "cat" }
expect(run(gw, cat, "shop.price{} shop.price{} return 'two'")):has("at most 1 call a script by policy tools:7")

test "a run that goes on has its money anew, and what it had already costs nothing"
local gw, ana, shop = world("  - allow: code:run\n    limit: { money: 0.30 USD }\n")
local text = run(gw, ana, "shop.order{} shop.order{} return 'both'")
expect(failed):is(true)
local id = text:match('resume="(r%w+)"')
local r = gw:mcp(ana):call("lua", { code = "shop.order{} shop.order{} return 'both'", resume = id })
expect(r.content[1].text):has("both")
expect(#shop.calls):is(2)

test "a reload is for the scripts that follow"
local gw, ana, shop = world("  - allow: code:run\n    limit: { money: 0.30 USD }\n")
local text
spawn(function() text = run(gw, ana, "shop.wait{} shop.order{} local ok = pcall(shop.order, {}) return ok") end)
wait_for("the call", function() return #shop.calls == 1 end)
sys.write_file(gw.folder .. "/policies/root/tools.yaml", 'version: 1\npolicy: tools\napplies_to: "*"\nrules:\n  - allow: code:run\n  - allow: "shop/*"\n')
gw:ok { "reload" }
shop:release()
wait_for("the end", function() return text end)
expect(text):has("false")
expect(run(gw, ana, "shop.order{} shop.order{} return 'both'")):has("both")

test "a script's own limits elsewhere, and what is none, are told with place and fix"
local gw = gateway { start = false, servers = { shop = mcp_server "shop" { tools = {} } }, policies = { ["root/a.yaml"] = ORG .. [[
policy: a
applies_to: "*"
rules:
  - allow: shop/x
    limit: { seconds: 5 }
  - allow: code:run
    limit: { calls: 5, per: user }
  - allow: code:run
    limit: { memory: 5KiB }
  - allow: code:run
    limit: { money: 5 EUR }
  - allow: code:run
    limit: { calls: many }
  - allow: code:run
    limit: [{ seconds: 5 }, { seconds: 6 }]
]] } }
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err):has("a.yaml:12:14: 'seconds' without a time bounds one script: it stands in a rule for code:run")
expect(r.err):has("a.yaml:14:24: per: says whose bucket it is; what has no time is of each script")
expect(r.err):has("a.yaml:16:22: a script needs at least 1MiB")
expect(r.err):has("a.yaml:18:21: money is an amount, like 0.50 USD")
expect(r.err):has("a.yaml:20:21: calls is a whole number of calls that one script makes, like 100, or of scripts and a time, like 20/hour")
expect(r.err):has("a.yaml:22:31: a second limit of the same kind")
