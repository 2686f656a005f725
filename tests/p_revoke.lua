-- SPDX-License-Identifier: Apache-2.0
-- A key dies with 100 model streams, 50 scripts, 200 MCP sessions and 50 listeners open: all of it ends at once,
-- nothing is served after, and the other key notices nothing.

local STREAMS, SCRIPTS, SESSIONS, LISTENERS = 100, 50, 200, 50
local WORKERS = 16 -- scripts that run at once, one of them the other key's
local PASSES = STREAMS + SCRIPTS + WORKERS - 1
local CUT_MS = 1001

local function org(users)
	return "version: 1\norganisation: { zone: UTC, customers: { acme: { teams: { payments: { users: { " .. users .. " } } } } } }\n"
end

local RULES = [[
version: 1
policy: all
owner: "#rig"
applies_to: "*"
rules:
  - allow: "docs/*"
  - allow: "model:*"
  - allow: code:run
    limit: { concurrent: 100 }
]]

-- Two keys, and what they use: a model that holds its stream after the first event, and a tool that
-- does not answer.
local function world(clock)
	local w = { up = provider { hold_after = 1 },
		docs = mcp_server "docs" { tools = { "find", { name = "wait", hang = true } } } }
	w.gw = gateway { providers = { anthropic = w.up }, servers = { docs = w.docs }, clock = clock,
		policies = { ["root/org.yaml"] = org "ana: { limit: { concurrent: 1000 } }, bob: {}", ["root/all.yaml"] = RULES } }
	w.dies = w.gw:key { name = "dies", user = "ana" }
	w.lives = w.gw:key { name = "lives", user = "bob" }
	w.gw:wait_tools(w.dies, 3)
	return w
end

-- A party of its own: how it ended is in it afterwards, and when.
local function open(list, f)
	local it = {}
	list[#list + 1] = it
	spawn(function()
		f(it)
		it.ended = now()
	end)
	return it
end

-- Until the end, however that comes; what was told meanwhile.
local function read_on(it, r)
	it.events = {}
	it.begun = true
	local e
	repeat
		e, it.cut = r:event()
		if e then it.events[#it.events + 1] = e end
	until not e
end

local function stream(w, key, list)
	return open(list, function(it) read_on(it, w.gw:client(key):message { stream = true }) end)
end

local function script(w, key, list)
	return open(list, function(it) it.answer = w.gw:mcp(key):call("lua", { code = "return docs.wait{}" }) end)
end

local function session(w, key, list)
	return open(list, function(it)
		it.mcp = legacy_client(w.gw, key)
		read_on(it, it.mcp.get())
	end)
end

-- A modern client's subscriptions/listen: a request that stays open.
local META = "io.modelcontextprotocol/"
local function listener(w, key, list)
	return open(list, function(it)
		read_on(it, w.gw:client(key):stream("/mcp", { jsonrpc = "2.0", id = "L7", method = "subscriptions/listen", params = {
			notifications = { toolsListChanged = true },
			_meta = { [META .. "protocolVersion"] = "2026-07-28", [META .. "clientInfo"] = { name = "t", version = "1" },
				[META .. "clientCapabilities"] = { x = true } } } },
			{ accept = "application/json, text/event-stream", ["mcp-protocol-version"] = "2026-07-28",
				["mcp-method"] = "subscriptions/listen" }))
	end)
end

local function all(list, is)
	for _, it in ipairs(list) do if not is(it) then return false end end
	return true
end

local function streaming(it) return it.begun end
local function ended(it) return it.ended end

-- What the key has open at the gate, as its own quota counts it: runs by their rule, the rest by
-- its owner's level.
local function passes_open(w)
	w.asks = w.asks or w.gw:client(w.dies)
	local q = w.asks:get("/v1/quota").json
	return q.levels[1].limits[1].held + q.rule_limits[1].held
end

-- Everything is open: a stream has its first event, a script that has a worker waits in its call and
-- the others wait for a worker, a session listens.
local function fill(w)
	local one, many = { streams = {}, scripts = {}, sessions = {}, listeners = {} }, { streams = {}, scripts = {}, sessions = {}, listeners = {} }
	stream(w, w.lives, one.streams)
	script(w, w.lives, one.scripts)
	session(w, w.lives, one.sessions)
	listener(w, w.lives, one.listeners)
	w.docs:wait_calls(1)
	for _ = 1, STREAMS do stream(w, w.dies, many.streams) end
	for _ = 1, SCRIPTS do script(w, w.dies, many.scripts) end
	for _ = 1, SESSIONS do session(w, w.dies, many.sessions) end
	for _ = 1, LISTENERS do listener(w, w.dies, many.listeners) end
	for name, list in pairs(many) do
		if name ~= "scripts" then wait_for("the " .. name, function() return all(list, streaming) and all(one[name], streaming) end) end
	end
	w.docs:wait_calls(WORKERS)
	while passes_open(w) < PASSES do rig.wait_either(w.gw.process.pidfd, function() return true end) end
	expect(passes_open(w)):is(PASSES)
	return one, many
end

-- How long each took from then on, in order; the time of the command itself is in it.
local function tell(what, list, from)
	local took = {}
	for i, it in ipairs(list) do took[i] = it.ended - from end
	table.sort(took)
	print(string.format("# %s: %d cut, p50 %d ms, p99 %d ms, max %d ms", what, #took, took[#took // 2],
		took[math.ceil(#took * 0.99)], took[#took]))
	expect(took[1], what .. ", the first"):above(-1)
	expect(took[#took], what .. ", the last"):below(CUT_MS)
end

-- All of the one key's is over within the time and told why; the other's goes on to its end.
local function over(w, one, many, from, why)
	for _, name in ipairs { "streams", "scripts", "sessions", "listeners" } do
		wait_for("the end of the " .. name, function() return all(many[name], ended) end)
		tell(name, many[name], from)
	end
	for _, it in ipairs(many.scripts) do expect(it.answer.raw):has(why) end
	w.up:wait_aborted(STREAMS)
	w.docs:wait_aborted(WORKERS - 1)

	-- What was held back comes now, and to the other key only.
	w.up:release()
	w.docs:push("notifications/tools/list_changed")
	w.docs:release()
	wait_for("the other's stream and script", function() return ended(one.streams[1]) and ended(one.scripts[1]) end)
	expect(one.streams[1].events):has { event = "message_stop" }
	expect(one.scripts[1].answer.raw):has("wait done")
	expect(one.sessions[1].ended):is(nil)
	expect(one.listeners[1].ended):is(nil)
	for _, it in ipairs(many.streams) do
		expect(it.events[1].event):is("message_start")
		expect(#it.events):is(2)
		expect(it.events[2].event):is("error")
		expect(it.events[2].json.type):is("error")
		expect(it.events[2].json.error.message):has(why)
		expect(it.cut, "and then its end"):is(nil)
	end
	for _, it in ipairs(many.listeners) do
		expect(#it.events):is(2)
		expect(it.events[1].json.method):is("notifications/subscriptions/acknowledged")
		expect(it.events[2].json):has { id = "L7" }
		expect(it.events[2].json.error.message):has(why)
		expect(it.cut, "and then its end"):is(nil)
	end
	for _, it in ipairs(many.sessions) do expect(it.events):same {} end
	expect(#w.docs.calls):is(WORKERS)
	expect(#w.up.requests):is(STREAMS + 1)

	-- In the audit every pass is one row, and each was cut.
	local n = { model = 0, run = 0, tool = 0 }
	for _, row in ipairs(w.gw:audit()) do
		if row.key == w.dies.id then
			expect(row["end"]):is("cut")
			n[row.kind] = n[row.kind] + 1
		end
	end
	expect(n):same { model = STREAMS, run = SCRIPTS, tool = WORKERS - 1 }
	expect(w.gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
end

-- Every way in says so.
local function refused(w, many, status)
	local c = w.gw:client(w.dies)
	expect(c:message().status):is(status)
	expect(w.gw:client(w.dies):message({ stream = true }).status):is(status)
	expect(c:post("/mcp", "{}").status):is(status)
	expect(c:get("/v1/quota").status):is(status)
	expect(many.sessions[1].mcp.get().status):is(status)
	expect(many.sessions[2].mcp.post({ jsonrpc = "2.0", id = 9, method = "ping" }).status):is(status)
end

-- The whole story; take: what takes the key away.
local function story(w, take, status, why)
	local one, many = fill(w)
	local from = now()
	take()
	over(w, one, many, from, why)
	refused(w, many, status)
end

test "a revoked key's 100 streams, 50 scripts and 200 sessions end within a second, the other key's go on"
-- limit: 60 s
local w = world()
story(w, function() w.gw:ok { "key", "revoke", "dies" } end, 401, "is revoked")

test "so do those of a key that is disabled"
-- limit: 60 s
local w = world()
story(w, function() w.gw:ok { "key", "disable", "dies" } end, 401, "is disabled")

test "so do those of a rotated key at the end of its overlap"
-- limit: 60 s
local w = world "2026-08-21T12:00:00Z"
w.gw:ok { "key", "rotate", "dies", "--overlap", "1m" }
w.gw:advance("50s") -- a script may take a minute
story(w, function() w.gw:advance("10s") end, 401, "has expired")

test "so do those of a key whose owner is taken out of the files"
-- limit: 60 s
local w = world()
story(w, function()
	sys.write_file(w.gw.folder .. "/policies/root/org.yaml", org "bob: {}")
	w.gw:ok { "reload" }
end, 403, "ana")
