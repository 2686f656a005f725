-- SPDX-License-Identifier: Apache-2.0
-- Scripts of every kind at once, in workers that run native code (tests/worker/native.c), while
-- workers, zygotes and the gateway itself are killed: each run has one row in the audit, with its
-- end; each call that reached a server has a row under its run; nothing is left.
--
--   RUNS=10000 SEED=7 build/rig tests/p_chaos.lua

local RUNS = tonumber(os.getenv("RUNS") or "300")
local SEED = tonumber(os.getenv("SEED") or "4711")
local CLIENTS, RESTARTS = 6, math.max(2, RUNS // 500)
local STARTS = 4 * RUNS -- so many calls at most: those that a dying gateway swallows are not counted

-- name, weight, source
local KINDS = {
	{ "tiny", 40, "local n = 0 for i = 1, 100 do n = n + i end return n" },
	{ "calls", 12, "shop.price{id=1} shop.price{id=2} return shop.price{id=3}" },
	{ "branches", 8, "return #pmap({1,2,3,4,5,6}, function(i) return shop.price{id=i} end)" },
	{ "search", 3, "return tools('price')" },
	{ "denied", 3, "local ok = pcall(call, 'shop.forbidden', {}) return ok" },
	{ "error", 4, "shop.price{id=1} error('x')" },
	{ "compile", 3, "x = = 1" },
	{ "loop", 1, "while true do end" },
	{ "spin", 1, "native('spin', 'untick')" },
	{ "memory", 2, "local t = {} while true do t[#t+1] = ('x'):rep(1e6) .. #t end" },
	{ "output", 2, "for i = 1, 1e6 do print('hello') end" },
	{ "crash", 4, "shop.price{id=1} native('crash', 'null')" },
	{ "forbidden", 4, "shop.price{id=1} native('syscall', 57)" },
	{ "forged", 4, "native('frame', 2, 0, 77, 1, nil, '{}') native('read', 1)" },
	{ "half", 3, "native('frame', 2, 0, 0, 1, 100, '{') native('exit', 0)" },
	{ "flood", 1, "for id = 1, 1e9 do native('frame', 2, 0, 65535, id, nil, '{}') native('read', 12) end" },
	{ "left", 5, "shop.wait{} return 1" }, -- its client goes away
}
local total = 0
for _, k in ipairs(KINDS) do total = total + k[2] end

local function pick()
	local n = math.random(total)
	for _, k in ipairs(KINDS) do
		n = n - k[2]
		if n <= 0 then return k end
	end
end

local function copy(from, to)
	expect(process({ "/bin/cp", from, to }, {}, os.getenv("PWD")):wait()):is(0)
end

local function workers(gw)
	local out = {}
	for _, pid in ipairs(descendants(gw.pid)) do
		if (read_file("/proc/" .. pid .. "/comm") or ""):find("sandbox-worker", 1, true) then out[#out + 1] = pid end
	end
	return out
end

local function descriptors(gw) return #(sys.list("/proc/" .. gw.pid .. "/fd") or {}) end

test "runs, cancels and kills of everything: one row for each run, a row for each call, nothing left"
-- limit: 7200 s
math.randomseed(SEED)
local shop = mcp_server "shop" { tools = { "price", { name = "wait", hang = true } } }
local bin = rig.scratch() .. "/bin"
sys.mkdir(bin)
local built = gateway { start = false }:binary():match("^(.*)/[^/]*$")
copy(built .. "/tollgate", bin .. "/tollgate")
copy("build/sandbox-worker-native", bin .. "/sandbox-worker")
local gw = gateway { servers = { shop = shop }, binary = bin .. "/tollgate",
	policies = rules("allow: shop/*", "allow: code:run") }
local key = gw:dev()
gw:wait_tools(key, 4)

local sent, answered, refused, gone, killed, restarts = 0, 0, 0, 0, 0, 0
local going, up = true, true
local ends = {}

local function request(kind)
	return { jsonrpc = "2.0", id = 1, method = "tools/call",
		params = { name = "lua", arguments = { code = kind[3] }, _meta = {
			["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
			["io.modelcontextprotocol/clientCapabilities"] = { x = true },
			["io.modelcontextprotocol/clientInfo"] = { name = "rig", version = "1" } } } }
end

-- Sends, waits until its call has arrived at the server, and hangs up.
local function leave(kind)
	local c = gw:client(key)
	local waiting = #shop.calls
	c:send(c:bytes { method = "POST", path = "/mcp", body = json.encode(request(kind)),
		headers = { accept = "application/json, text/event-stream", ["mcp-protocol-version"] = "2026-07-28",
			["mcp-method"] = "tools/call", ["mcp-name"] = "lua" } })
	local until_ms = now() + 500
	wait_for("its call", function() return #shop.calls > waiting or now() >= until_ms or not up end)
	c:close()
	gone = gone + 1
end

local function one(c)
	local kind = pick()
	sent = sent + 1
	if kind[1] == "left" then leave(kind) return true end
	local ok, r = pcall(c.call, c, "lua", { code = kind[3] })
	if not ok then return false end -- the gateway was killed
	if r.error then refused = refused + 1 else answered = answered + 1 end
	return true
end

local clients = 0
for _ = 1, CLIENTS do
	clients = clients + 1
	spawn(function()
		while going do
			wait_for("the gateway", function() return up or not going end, 60000)
			local c = gw:mcp(key)
			while going and up do
				if not one(c) then break end
			end
			pcall(c.close, c)
		end
		clients = clients - 1
	end)
end

local function finished() return answered + refused + gone end
local next_kill, next_restart = 10, RUNS // (RESTARTS + 1)
while finished() < RUNS and sent < STARTS do
	wait_for("runs", function() return finished() >= math.min(next_kill, next_restart, RUNS) or sent >= STARTS end, 120000)
	if finished() >= next_kill then -- a worker mostly, now and then a zygote or what holds its namespace
		next_kill = finished() + math.random(5, 25)
		local list = workers(gw)
		if #list > 0 then
			sys.kill(list[math.random(#list)], 9)
			killed = killed + 1
		end
	end
	if finished() >= next_restart and restarts < RESTARTS then
		next_restart = finished() + RUNS // (RESTARTS + 1)
		restarts = restarts + 1
		up = false
		local left = descendants(gw.pid)
		if restarts % 2 == 0 then gw:stop(30000) else gw:kill9() end
		wait_gone(left, 10000)
		gw:start()
		gw:wait_tools(key, 4)
		up = true
	end
end
going = false
wait_for("the clients", function() return clients == 0 end, 120000)

-- Nothing is left: four workers at rest, and of descriptors what a gateway has that has just started,
-- and connections to the server that are kept for the next calls.  A leak of one a run would be more.
local KEPT = 64
local held
wait_for("a quiet gateway", function() return #workers(gw) <= 2 + 4 end, 30000)
held = descriptors(gw)
local before = workers(gw)
gw:stop(30000)
wait_gone(before, 5000)
gw:start()
gw:wait_tools(key, 4)
expect(gw:mcp(key):call("lua", { code = "return shop.price{id=1}" }).isError):is(false)
sent, answered = sent + 1, answered + 1
wait_for("a quiet gateway", function() return #workers(gw) <= 2 + 4 end, 30000)
local fresh = descriptors(gw)
expect(held, "descriptors after " .. sent .. " runs, a fresh gateway has " .. fresh):below(fresh + KEPT + 1)
gw:stop(30000)

expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
local runs, kids, seen, rows = {}, {}, {}, { run = 0, tool = 0 }
for _, row in ipairs(gw:audit()) do
	expect(seen[row.id], "the pass " .. row.id .. " has two rows"):is(nil)
	seen[row.id] = true
	if row.kind == "run" then
		rows.run = rows.run + 1
		runs[row.id] = row
	elseif row.kind == "tool" then
		rows.tool = rows.tool + 1
		kids[row.parent] = (kids[row.parent] or 0) + 1
	end
end
local KNOWN = "DONE COMPILE RUNTIME OOM CPU WALL OUTPUT CALLS BYTES PROTO SECCOMP CRASH CANCELLED"
for id, row in pairs(runs) do
	expect(type(row.args_sha256), "the digest of run " .. id):is("string")
	if row.detail then
		expect((" " .. KNOWN .. " "):find(" " .. row.detail .. " ", 1, true) ~= nil, "the end " .. row.detail):is(true)
		ends[row.detail] = (ends[row.detail] or 0) + 1
	else -- ended by us, not by its script: its client, or the gateway's own end
		ends[row["end"]] = (ends[row["end"]] or 0) + 1
	end
	if row.detail then
		expect((row.calls or 0) - (kids[id] or 0), "calls of " .. id .. " less its rows"):above(-1)
		expect(row.cpu_us or 0, "CPU time of " .. id):above(-1)
	end
end
for id in pairs(kids) do expect(runs[id] ~= nil, "the run of a call has a row"):is(true) end
local text = {}
for word, n in pairs(ends) do text[#text + 1] = n .. " " .. word end
table.sort(text)
print(("# %d sent, %d answered, %d refused, %d left; %d killed, %d restarts; %d runs and %d calls in the audit, %d at the server; descriptors %d, fresh %d; %s"):format(
	sent, answered, refused, gone, killed, restarts, rows.run, rows.tool, #shop.calls, held, fresh, table.concat(text, ", ")))
expect(rows.run):above(answered - 1)
expect(rows.run):below(sent + 1)
expect(rows.tool):above(#shop.calls - 1) -- nothing reached the server without a row
expect(killed):above(0)
expect(answered):above(RUNS // 2)
