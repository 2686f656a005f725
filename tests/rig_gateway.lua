-- SPDX-License-Identifier: Apache-2.0
--
-- rig_gateway - the real gateway as a process of its own, on a folder of its own.
--
--   local gw = gateway {
--     providers = { anthropic = up }, servers = { github = srv },   fakes by their names
--                                provider { kind = "openai" } is one of that kind, and models: name it
--     yaml = "...",              more of tollgate.yaml; what it names itself is not added
--     policies = { ["root/all.yaml"] = "..." },
--     binary = "path",           another gateway than build/tollgate
--     env = { NAME = "value" },  clock = true | "2026-08-21T10:00:00Z",  args = { ... }
--   }                            returns when the gateway is ready
--   gw.port, gw.pid, gw.data, gw.process.err (its log)
--   gw:key { name = "dev", team = "payments" }   -> { id, key, name }
--   gw:client(key), gw:mcp(key)
--   gw:cli { "usage", "--json" }                 -> { code, out, err, json }
--   gw:stop(), gw:kill9(), gw:start(), gw:restart(), gw:advance("1h")
--
-- `gateway { start = false }` writes the files only; gw:cli works on them.
--   rules('allow: "github/*"', ...)              policies for ana of acme/payments: these rules only
--   gw:dev()                                     her key
--   descendants(pid)                             pids of its children, their children, and so on
--   wait_gone(pids)                              until none of them runs
--   read_file(path)                              its bytes, or nil

local BUILD = os.getenv("B") or "build"
local HERE = os.getenv("PWD")
local BINARY = (BUILD:sub(1, 1) == "/" and BUILD or HERE .. "/" .. BUILD) .. "/tollgate"

local SIGTERM, SIGKILL = 15, 9

-- ---- processes ----

local Process = {}
Process.__index = Process

local function drain(fd, take)
	rig.own(fd)
	return spawn(function()
		while true do
			local data, why = sys.read(fd)
			if data then
				take(data)
			elseif why ~= "again" or not rig.wait_fd(fd, "r") then
				return rig.close(fd)
			end
		end
	end)
end

-- Starts a program; its output is collected as it comes.
function process(argv, env, cwd, keep)
	local list = { "PATH=/usr/bin:/bin", "HOME=" .. rig.scratch() }
	for k, v in pairs(env or {}) do list[#list + 1] = k .. "=" .. v end
	for _, name in ipairs { "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS" } do
		if os.getenv(name) then list[#list + 1] = name .. "=" .. os.getenv(name) end
	end
	local p = setmetatable({ out = "", err = "" }, Process)
	local pid, pidfd, i, o, e = sys.spawn(argv, list, cwd, keep or {})
	p.pid, p.pidfd = pid, rig.own(pidfd)
	rig.close(rig.own(i))
	p.readers = {
		drain(o, function(s) p.out = p.out .. s end),
		drain(e, function(s) p.err = p.err .. s end),
	}
	rig.at_end(function() if not p.code then sys.kill(pid, SIGKILL, true) end end)
	return p
end

function Process:running()
	if not self.code then self.code = sys.wait(self.pid) end
	return not self.code
end

-- Until it has ended and its output is whole; the exit code, 128 + n for signal n.
function Process:wait(limit_ms)
	local until_ms = limit_ms and now() + limit_ms
	while self:running() do
		if not rig.wait_fd(self.pidfd, "r", until_ms) then
			rig.fail("the process did not end in time; stderr: " .. rig.show(self.err))
		end
	end
	wait_for("the last output", function()
		return coroutine.status(self.readers[1]) == "dead" and coroutine.status(self.readers[2]) == "dead"
	end)
	return self.code
end

function descendants(pid)
	local out, dir = {}, "/proc/" .. pid .. "/task/"
	for _, task in ipairs(sys.list(dir) or {}) do
		for child in (read_file(dir .. task .. "/children") or ""):gmatch("%d+") do
			out[#out + 1] = math.tointeger(child)
			table.move(descendants(child), 1, 1000, #out + 1, out)
		end
	end
	return out
end

function wait_gone(pids, limit_ms)
	local until_ms, left = now() + (limit_ms or 10000), {}
	for _, pid in ipairs(pids) do
		local fd = sys.pidfd(pid)
		if fd and not rig.wait_fd(rig.own(fd), "r", until_ms) then left[#left + 1] = pid end
		if fd then rig.close(fd) end
	end
	for i, pid in ipairs(left) do
		left[i] = (read_file("/proc/" .. pid .. "/cmdline") or "?"):gsub("%z", " ")
		sys.kill(pid, SIGKILL)
	end
	if #left > 0 then rig.fail("still running: " .. table.concat(left, "; ")) end
end

-- ---- the gateway ----

local Gateway = {}
Gateway.__index = Gateway

local POLICY = [[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        payments:
          users:
            ana: {}
policy: everything
owner: "#rig"
applies_to: { customers: ["*"] }
rules:
  - allow: any/*
  - allow: "model:*"
  - allow: code:run
]]

local ANA = [[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        payments:
          users:
            ana: {}
]]

function rules(...)
	local text = 'version: 1\npolicy: tools\nowner: "#tools"\napplies_to: { teams: [payments] }\nrules:\n'
	for _, line in ipairs { ... } do text = text .. "  - " .. line .. "\n" end
	return { ["root/org.yaml"] = ANA, ["root/tools.yaml"] = text }
end

local PRICES = [[
version: 1
date: 2026-08-01
models:
  claude-sonnet-4-6: { input: 3, output: 15, cache_write: 3.75, cache_read: 0.30, max_output: 64000 }
]]

local function names_key(yaml, key) return ("\n" .. yaml):find("\n" .. key .. ":", 1, true) ~= nil end

local function section(out, yaml, key, text)
	if not names_key(yaml, key) then out[#out + 1] = key .. ": " .. text end
end

-- tollgate.yaml: the scenario's own text, and what it left to the rig.
local function compose(o)
	local yaml, out = o.yaml or "", {}
	section(out, yaml, "version", "1")
	section(out, yaml, "listen", '\n  - { address: "127.0.0.1:0", serves: [model, mcp, admin, metrics] }')
	section(out, yaml, "data", "./data")
	section(out, yaml, "policies", "policies/")
	section(out, yaml, "watch", "false") -- a scenario reloads when it says so
	if o.providers then
		local rows = {}
		for name, p in pairs(o.providers) do
			rows[#rows + 1] = string.format('\n  %s: { kind: %s, url: "%s", key: env:RIG_PROVIDER_KEY }', name,
				p.options and p.options.kind or "anthropic", p.url)
		end
		section(out, yaml, "providers", table.concat(rows))
		local name = next(o.providers)
		section(out, yaml, "models", "\n  claude-sonnet-4-6: { provider: " .. name .. " }")
		section(out, yaml, "prices", "prices.yaml")
	end
	if o.servers then
		local rows = {}
		for name, s in pairs(o.servers) do
			rows[#rows + 1] = string.format('\n  %s: { url: "%s"%s }', name, s.url, s.yaml and ", " .. s.yaml or "")
		end
		table.sort(rows)
		section(out, yaml, "servers", table.concat(rows))
	end
	return table.concat(out, "\n") .. "\n" .. yaml
end

local function make_folders(base, path)
	local at = base
	for part in path:gmatch("([^/]+)/") do
		at = at .. "/" .. part
		sys.mkdir(at)
	end
end

local function write_files(g, o)
	sys.mkdir(g.folder)
	sys.mkdir(g.data)
	sys.mkdir(g.folder .. "/policies")
	sys.write_file(g.data .. "/rig", "made by the scenario rig\n")
	sys.write_file(g.config, compose(o))
	sys.write_file(g.folder .. "/prices.yaml", o.prices or PRICES)
	for path, text in pairs(o.policies or { ["root/rig.yaml"] = POLICY }) do
		make_folders(g.folder .. "/policies", path)
		sys.write_file(g.folder .. "/policies/" .. path, text)
	end
end

-- Days since 1970-01-01 of a date in the Gregorian calendar.
local function days(y, m, d)
	y = m <= 2 and y - 1 or y
	local era = y // 400
	local yoe, doy = y - era * 400, (153 * (m + (m > 2 and -3 or 9)) + 2) // 5 + d - 1
	return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
end

local function wall_ns(text)
	local y, m, d, h, min, s = text:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)Z$")
	if not y then error("a time looks like 2026-08-21T10:00:00Z, not " .. text, 3) end
	local secs = days(math.tointeger(y), math.tointeger(m), math.tointeger(d)) * 86400 + h * 3600 + min * 60 + s
	return math.tointeger(secs) * 1000000000
end

local UNITS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }
local function span_ms(text)
	local n, unit = text:match("^(%-?%d+)(%a+)$")
	if not n or not UNITS[unit] then error("a span looks like 90s, 15m, 1h or 2d, not " .. text, 3) end
	return math.tointeger(n) * UNITS[unit]
end

function read_file(path)
	local f = io.open(path)
	if not f then return nil end
	local s = f:read("a")
	f:close()
	return s
end

-- Starts it without waiting for anything.
function Gateway:launch()
	local argv, keep = { self.options.binary or BINARY, "run", "-c", self.config }, {}
	if self.clock then
		local page, wake, done = self.clock:fds()
		argv[#argv + 1], argv[#argv + 2] = "--clock", tostring(page)
		keep = { page, wake, done }
	end
	for _, a in ipairs(self.options.args or {}) do argv[#argv + 1] = a end
	os.remove(self.data .. "/run.json")
	local env = { RIG_PROVIDER_KEY = "sk-rig-upstream" }
	for k, v in pairs(self.options.env or {}) do env[k] = v end
	self.process = process(argv, env, self.folder, keep)
	self.pid = self.process.pid
	return self.process
end

function Gateway:start()
	local watch = rig.own(sys.watch(self.data))
	local p = self:launch()
	local until_ms = now() + 10000
	while true do
		sys.read(watch) -- before the look: what happens after it rings again
		local run = json.try(read_file(self.data .. "/run.json") or "")
		if run and run.pid == p.pid then
			self.run = run
			self.port = tonumber(json.encode(run.listen):match(":(%d+)"))
			self.control = type(run.control) == "string" and run.control or self.data .. "/control.sock"
			break
		end
		if not p:running() then
			p:wait()
			rig.fail("the gateway ended with " .. p.code .. " before it was ready: " .. p.err .. p.out)
		end
		if now() >= until_ms then rig.fail("the gateway is not ready after 10 s: " .. p.err) end
		rig.wait_either(watch, function() return not p:running() or now() >= until_ms end)
	end
	rig.close(watch)
	return self
end

function Gateway:stop(limit_ms)
	sys.kill(self.pid, SIGTERM)
	return self.process:wait(limit_ms or 10000)
end

function Gateway:kill9()
	sys.kill(self.pid, SIGKILL)
	return self.process:wait(10000)
end

function Gateway:restart()
	self:stop()
	return self:start()
end

-- Moves both clocks and waits until the gateway's turn is quiet.
function Gateway:advance(text)
	if not self.clock then error("gateway { clock = true } is needed to move time", 2) end
	local _, _, done = self.clock:fds()
	self.clock:move(span_ms(text))
	if not rig.wait_fd(done, "r", now() + 5000) then rig.fail("no answer to the moved clock: " .. self.process.err) end
end

function Gateway:binary() return BINARY end

-- The audit's rows, oldest first.
function Gateway:audit()
	local rows = self:ok { "audit", "tail", "-n", "1000000", "--json" }.json or json.array()
	return rows[1] == nil and next(rows) ~= nil and json.array { rows } or rows
end

function Gateway:cli(argv)
	local list = { BINARY }
	for _, a in ipairs(argv) do list[#list + 1] = a end
	list[#list + 1], list[#list + 2] = "-c", self.config
	local p = process(list, { RIG_PROVIDER_KEY = "sk-rig-upstream" }, self.folder)
	local r = { code = p:wait(), out = p.out, err = p.err }
	r.json = json.try(r.out)
	if not r.json and r.out:match("^%s*{") then
		local rows = json.array()
		for line in r.out:gmatch("[^\n]+") do rows[#rows + 1] = json.try(line) end
		r.json = rows
	end
	return r
end

function Gateway:dev()
	return self:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
end

-- As gw:cli, and the test fails unless the command answers 0.
function Gateway:ok(argv)
	local r = self:cli(argv)
	if r.code ~= 0 then rig.fail(table.concat(argv, " ") .. " answered " .. r.code .. ": " .. r.err .. r.out) end
	return r
end

function Gateway:key(o)
	if type(o) == "string" then o = { name = o } end
	local argv = { "key", "create", "--json" }
	for _, flag in ipairs { "name", "customer", "team", "user", "expires" } do
		if o[flag] then argv[#argv + 1], argv[#argv + 2] = "--" .. flag, o[flag] end
	end
	local k = self:ok(argv).json
	if not k or not k.key then rig.fail("key create did not print a key") end
	return k
end

local function headers_for(key)
	return key and { authorization = "Bearer " .. (type(key) == "table" and key.key or key) } or {}
end

function Gateway:client(key, o)
	o = o or {}
	o.port, o.headers = self.port, headers_for(key)
	return client(o)
end
function Gateway:mcp(key) return mcp_client { port = self.port, headers = headers_for(key) } end

-- Where scripts are the way to the tools, only the two that make them are listed: /me knows the others.
local function seen(self, key, names)
	if #names ~= 2 or names[1] ~= "lua" or names[2] ~= "tools" then return #names end
	local n = 2
	for _, t in ipairs(self:client(key):get("/me").json.tools) do n = n + (t.allowed and 1 or 0) end
	return n
end

-- Tools arrive when their servers have answered: waits until this key sees n of them.
function Gateway:wait_tools(key, n)
	local c = self:mcp(key)
	local names = {}
	for _ = 1, 400 do
		names = c:tools()
		if seen(self, key, names) >= n then c:close() return names end
		rig.wait_either(self.process.pidfd, function() return true end)
	end
	rig.fail("waited in vain for " .. n .. " tools, last seen " .. rig.show(names) .. "\n" .. self.process.err)
end

local made = 0
function gateway(o)
	made = made + 1
	local folder = rig.scratch() .. "/gw" .. made
	local g = setmetatable({ options = o or {}, folder = folder, data = folder .. "/data",
		config = folder .. "/tollgate.yaml" }, Gateway)
	write_files(g, g.options)
	if g.options.clock then
		local at = g.options.clock == true and "2026-08-21T10:00:00Z" or g.options.clock
		g.clock = sys.clock(wall_ns(at), 1000000)
	end
	rig.evidence[#rig.evidence + 1] = function()
		return "the gateway said: " .. (g.process and g.process.err:sub(-4000) or "nothing, it did not run")
	end
	if g.options.start ~= false then g:start() end
	return g
end
