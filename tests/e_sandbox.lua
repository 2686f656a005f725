-- SPDX-License-Identifier: Apache-2.0
-- How scripts are locked is measured, and told wherever somebody looks: /readyz, metrics, each run's audit row.

local BUILD = os.getenv("B") or "build"
local LACK = (BUILD:sub(1, 1) == "/" and BUILD or os.getenv("PWD") .. "/" .. BUILD) .. "/lack"
local UNSHARE = "272"

local function start(o)
	local up = mcp_server "shop" { tools = { "price" } }
	local gw = gateway { servers = { shop = up }, policies = rules("allow: shop/price", "allow: code:run"),
		yaml = o.yaml, binary = o.without and LACK, env = { LACK = o.without } }
	return gw, gw:dev()
end

local function run_row(gw)
	for _, row in ipairs(gw:audit()) do
		if row.kind == "run" then return row end
	end
end

local function level(gw)
	local ready, metrics = gw:client():get("/readyz").json, gw:client():get("/metrics").body
	expect(metrics):has('tollgate_sandbox_level{level="' .. ready.sandbox .. '"} 1')
	return ready
end

-- The host may be a container itself: then "full" is not to be had, and nothing here is taken away from it.
local gw, key = start {}
local FULL = level(gw).sandbox == "full"

test "a run's audit row says how its worker was locked, and what the kernel counted for it"
gw:wait_tools(key, 3)
local r = gw:mcp(key):call("lua", { code = "local t = {} for i = 1, 5e5 do t[i] = i end return #t" })
expect(r.content[1].text):has("500000")
local row = run_row(gw)
expect(row.sandbox):is(FULL and "full" or "reduced")
expect(row.detail):is("DONE")
expect(row.cpu_us > 1000):is(true)
expect(row.memory_kb > 8 * 1024):is(true) -- a table of 500,000 values has 8 MiB
local metrics = gw:client():get("/metrics").body
expect(metrics):has('tollgate_sandbox_ends_total{end="DONE"} 1')
expect(metrics):matches("tollgate_sandbox_idle %d")
expect(metrics):matches("tollgate_sandbox_memory_total_bytes %d+")
expect(metrics):matches("tollgate_run_cpu_us_total{team=\"[^\"]+\"} %d%d%d%d+")

test "without namespaces scripts run, and everybody is told"
local gw, key = start { without = UNSHARE }
gw:wait_tools(key, 3)
local ready = level(gw)
expect(ready.sandbox):is("reduced")
expect(ready.sandbox_why):has("namespaces")
expect(gw:mcp(key):call("lua", { code = "return 6 * 7" }).content[1].text):has("42")
expect(run_row(gw).sandbox):is("reduced")

test "require: full refuses scripts where something is missing, and only scripts"
local gw, key = start { without = UNSHARE, yaml = "sandbox: { require: full }\n" }
expect(gw:wait_tools(key, 1)):same { "shop__price" }
local ready = level(gw)
expect(ready.sandbox):is("unavailable")
expect(ready.sandbox_why):has("namespaces")
expect(ready.ready):is(true)
expect(gw:mcp(key):call("lua", { code = "return 1" })):error(-32602)
expect(gw:mcp(key):call("shop__price", {}).isError == true):is(false)

test "strict scripts run without a time stamp counter"
local gw, key = start { yaml = "sandbox: { strict: true }\n" }
gw:wait_tools(key, 3)
expect(gw:mcp(key):call("lua", { code = "return shop.price{} ~= nil" }).content[1].text):has("true")

test "a setting that cannot be is refused at its line"
local gw = gateway { start = false, yaml = "sandbox: { memory_total: 1MiB }\n" }
local r = gw:cli { "check" }
expect(r.code == 0):is(false)
expect(r.err .. r.out):has("must be from 64MiB")
