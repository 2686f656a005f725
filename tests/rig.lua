-- SPDX-License-Identifier: Apache-2.0
--
-- rig - what a scenario sees.  build/rig loads this file and names the scenario.
--
--   test "a sentence"           begins a test; it ends at the next one.  What stands before the
--                               first test is common to all of them.
--   provider, mcp_server        fake upstreams                (rig_http.lua, rig_mcp.lua)
--   issuer                      a fake authorization server   (rig_oauth.lua)
--   responses_model, gemini_model   fake models of other dialects (rig_models.lua)
--   certificate, tls = {...}    TLS on both sides             (rig_tls.lua)
--   gateway, client, gw:mcp     the real gateway, its clients (rig_gateway.lua)
--   expect(x):same(y)           and is, has, error, matches, below, above
--   json.decode, json.encode    objects keep integers; json.array{} for an empty list
--   spawn(f)                    another party, beside the test; its errors fail the test
--   wait_for("what", f)         until f() is true, within the test's deadline
--
-- Every party is a coroutine.  A wait is on a descriptor or a condition, with a deadline; nobody
-- sleeps.  When a test ends, its descriptors are closed, its children killed, its folder removed.

local scenario = ...
local folder = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."
local LIMIT_MS = tonumber(os.getenv("RIG_LIMIT_MS") or "") or 20000

rig = { folder = folder, scenario = scenario }

-- ---- parties and waits ----

local parties, waits, owned, endings, failures, deadline

function now() return sys.now() end

-- Waits for a descriptor ("r", "w") or until when; true when it is ready.
function rig.wait_fd(fd, events, until_ms)
	waits[coroutine.running()] = { fd = fd, events = events, until_ms = until_ms or deadline }
	return coroutine.yield()
end

function wait_for(what, f, limit_ms)
	local until_ms = math.min(now() + (limit_ms or LIMIT_MS), deadline)
	while true do
		local v = f()
		if v then return v end
		if now() >= until_ms then error("waited in vain for " .. what, 2) end
		waits[coroutine.running()] = { until_ms = until_ms, when = f }
		coroutine.yield()
	end
end

-- Waits until fd can be read or f() is true; false when the test's time is over.
function rig.wait_either(fd, f)
	waits[coroutine.running()] = { fd = fd, events = "r", until_ms = deadline, when = f }
	return coroutine.yield()
end

function spawn(f, ...)
	local co = coroutine.create(f)
	parties[#parties + 1] = { co = co, first = table.pack(...) }
	return co
end

function rig.own(fd) owned[fd] = true return fd end
function rig.close(fd)
	if owned[fd] then owned[fd] = nil sys.close(fd) end
end
function rig.reset(fd)
	if owned[fd] then owned[fd] = nil sys.reset(fd) end
end
function rig.at_end(f) endings[#endings + 1] = f end

local function resume(co, ...)
	local ok, why = coroutine.resume(co, ...)
	if not ok then
		local text = type(why) == "table" and why.failed or debug.traceback(co, tostring(why), 1)
		failures[#failures + 1] = text
	end
	return ok
end

-- True when somebody began.
local function begin_new()
	local any = #parties > 0
	while #parties > 0 do
		local new = parties
		parties = {}
		for _, p in ipairs(new) do resume(p.co, table.unpack(p.first, 1, p.first.n)) end
	end
	return any
end

-- One turn: whoever can go on goes on; otherwise poll.
local function turn()
	if begin_new() then return end
	local fds, events, who, ready = {}, {}, {}, {}
	local soonest = deadline
	for co, w in pairs(waits) do
		if w.when and w.when() then
			ready[#ready + 1] = { co, true, w }
		else
			if w.fd then
				fds[#fds + 1], events[#events + 1], who[#who + 1] = w.fd, w.events, co
			end
			if w.until_ms < soonest then soonest = w.until_ms end
		end
	end
	local timeout = #ready > 0 and 0 or math.max(0, soonest - now())
	local hit = sys.poll(fds, events, timeout)
	local t = now()
	for i, co in ipairs(who) do
		if hit[i] then ready[#ready + 1] = { co, true, waits[co] } end
	end
	for co, w in pairs(waits) do
		if t >= w.until_ms then ready[#ready + 1] = { co, false, w } end
	end
	for _, r in ipairs(ready) do
		if waits[r[1]] == r[3] then -- not one that it began meanwhile
			waits[r[1]] = nil
			resume(r[1], r[2])
		end
	end
end

-- ---- expectations ----

local function show(v, depth)
	if type(v) == "string" then return string.format("%q", #v > 2000 and v:sub(1, 2000) .. "..." or v) end
	if type(v) ~= "table" then return tostring(v) end
	if (depth or 0) > 6 then return "{...}" end
	local keys, out = {}, {}
	for k in pairs(v) do keys[#keys + 1] = k end
	table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
	for _, k in ipairs(keys) do
		local name = type(k) == "number" and "" or tostring(k) .. " = "
		out[#out + 1] = name .. show(v[k], (depth or 0) + 1)
	end
	return "{" .. table.concat(out, ", ") .. "}"
end
rig.show = show

local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then return a == b end
	for k, v in pairs(a) do if not same(v, b[k]) then return false end end
	for k in pairs(b) do if a[k] == nil then return false end end
	return true
end

-- Every field of part is in whole, and equal.
local function covers(whole, part)
	if type(whole) ~= "table" or type(part) ~= "table" then return same(whole, part) end
	for k, v in pairs(part) do if not covers(whole[k], v) then return false end end
	return true
end

local function fail(text)
	local where
	for level = 3, 12 do
		local info = debug.getinfo(level, "Sl")
		if info and info.short_src == scenario then where = scenario .. ":" .. info.currentline break end
	end
	error({ failed = (where or scenario) .. ": " .. text }, 0)
end
rig.fail = fail

local Expect = {}
Expect.__index = Expect
function expect(v, note) return setmetatable({ v = v, note = note and note .. ": " or "" }, Expect) end
function Expect:is(x)
	if not rawequal(self.v, x) then fail(self.note .. "got " .. show(self.v) .. ", expected " .. show(x)) end
	return self
end
function Expect:same(x)
	if not same(self.v, x) then fail(self.note .. "got " .. show(self.v) .. ", expected " .. show(x)) end
	return self
end
-- A list holds an element with these fields; a table has these fields; a string holds this text.
function Expect:has(x)
	if type(self.v) == "string" then
		if not self.v:find(x, 1, true) then fail(self.note .. show(self.v) .. " lacks " .. show(x)) end
		return self
	end
	if type(self.v) == "table" then
		if covers(self.v, x) then return self end
		for _, e in ipairs(self.v) do if covers(e, x) then return self end end
	end
	fail(self.note .. show(self.v) .. " lacks " .. show(x))
end
function Expect:lacks(x)
	local found = type(self.v) == "string" and self.v:find(x, 1, true)
	for _, e in ipairs(type(self.v) == "table" and self.v or {}) do found = found or covers(e, x) end
	if found then fail(self.note .. show(self.v) .. " has " .. show(x)) end
	return self
end
function Expect:matches(pattern)
	if type(self.v) ~= "string" or not self.v:find(pattern) then
		fail(self.note .. show(self.v) .. " does not match " .. show(pattern))
	end
	return self
end
-- A JSON-RPC error with this code (and a message that holds this text).
function Expect:error(code, text)
	local e = type(self.v) == "table" and self.v.error
	if type(e) ~= "table" or e.code ~= code or (text and not tostring(e.message):find(text, 1, true)) then
		fail(self.note .. "got " .. show(self.v) .. ", expected the error " .. tostring(code) ..
			(text and " with " .. show(text) or ""))
	end
	return self
end
function Expect:above(n)
	if not (type(self.v) == "number" and self.v > n) then fail(self.note .. show(self.v) .. " is not above " .. n) end
	return self
end
function Expect:below(n)
	if not (type(self.v) == "number" and self.v < n) then fail(self.note .. show(self.v) .. " is not below " .. n) end
	return self
end

-- ---- running a scenario ----

-- One scratch folder per test, made when first asked for.
function rig.scratch()
	if not rig.scratch_path then
		local path = sys.folder()
		rig.scratch_path = path
		rig.at_end(function()
			rig.scratch_path = nil
			if not os.getenv("RIG_KEEP") then sys.remove(path) else print("# kept " .. path) end
		end)
	end
	return rig.scratch_path
end

-- Splits the scenario at its test lines; line numbers stay those of the file.
local function split(text)
	local common, tests, line = {}, {}, 0
	for l in (text .. "\n"):gmatch("(.-)\n") do
		line = line + 1
		local name = l:match('^test%s+"(.-)"') or l:match("^test%s+'(.-)'")
		if name then
			tests[#tests + 1] = { name = name, from = line, lines = { "" } }
		elseif #tests == 0 then
			common[#common + 1] = l
		else
			local t = tests[#tests]
			t.lines[#t.lines + 1] = l
		end
	end
	return common, tests
end

local function source_of(common, t)
	local pad = string.rep("\n", t.from - #common - 1)
	return table.concat(common, "\n") .. "\n" .. pad .. table.concat(t.lines, "\n")
end

local function finish_test()
	for i = #endings, 1, -1 do
		local ok, why = pcall(endings[i])
		if not ok then failures[#failures + 1] = tostring(why) end
	end
	for fd in pairs(owned) do sys.close(fd) end
	owned = {}
	collectgarbage()
	sys.reap()
end

local function run_test(common, t)
	parties, waits, owned, endings, failures = {}, {}, {}, {}, {}
	local limit = t.lines[2] and tonumber(t.lines[2]:match("^%-%- limit: (%d+) s"))
	deadline = now() + (limit and limit * 1000 or LIMIT_MS)
	rig.test_name = t.name
	local f, why = load(source_of(common, t), "@" .. scenario)
	if not f then
		failures[1] = why
	else
		local main = spawn(f)
		while #failures == 0 and coroutine.status(main) ~= "dead" do
			if now() >= deadline then
				failures[1] = debug.traceback(main, "the test's time is over", 0)
			else
				turn()
			end
		end
	end
	finish_test()
	for _, text in ipairs(failures) do print("    " .. text:gsub("\n", "\n    ")) end
	for _, text in ipairs(#failures > 0 and rig.evidence or {}) do
		print("    " .. text():gsub("\n", "\n    "))
	end
	rig.evidence = {}
	return #failures == 0
end

for _, part in ipairs { "rig_json", "rig_http", "rig_tls", "rig_mcp", "rig_oauth", "rig_models", "rig_gateway" } do
	assert(loadfile(folder .. "/" .. part .. ".lua"))()
end

local file = assert(io.open(scenario))
local common, tests = split(file:read("a"))
file:close()
local passed, failed = 0, 0
rig.evidence = {}
for _, t in ipairs(tests) do
	local ok = run_test(common, t)
	print((ok and "ok - " or "not ok - ") .. t.name)
	if ok then passed = passed + 1 else failed = failed + 1 end
end
print(string.format("%d passed, %d failed", passed, failed))
return (failed == 0 and passed > 0) and 0 or 1
