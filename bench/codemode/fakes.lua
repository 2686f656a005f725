-- SPDX-License-Identifier: Apache-2.0
--
-- fakes - the bundled tool servers of the benchmark, one process each, over stdio.
--
--   build/codemode/fake bench/codemode/fakes.lua NAME DIR     a server over the data that seed.lua wrote to DIR
--   build/codemode/fake bench/codemode/fakes.lua --list       the names, a line each
--
-- filesystem, sqlite, memory and git work as far as the tasks go (fakes/NAME.lua); the other sixteen are
-- there to be listed (fakes/workstation.lua, fakes/filler.lua).  All definitions are our own; nothing of another project is copied.
local NAME, DIR = ...
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local VERSION = "2025-06-18"

dofile(HERE .. "/../../tests/rig_json.lua")
dofile(HERE .. "/fakes/schema.lua")
pretty = dofile(HERE .. "/fakes/pretty.lua")
local random = dofile(HERE .. "/fakes/random.lua")
local filler, fillers = loadfile(HERE .. "/fakes/filler.lua")(random)
local WRITTEN = { "filesystem", "sqlite", "memory", "git", "workstation" }

if NAME == "--list" then
	local names = table.move(WRITTEN, 1, #WRITTEN, 1, {})
	for name in pairs(fillers) do names[#names + 1] = name end
	table.sort(names)
	print(table.concat(names, "\n"))
	return
end

local tools, calls = filler(NAME), {}
if not tools then tools, calls = assert(loadfile(HERE .. "/fakes/" .. NAME .. ".lua"))(DIR .. "/desk", DIR) end

local function call(p)
	local f = calls[p.name]
	if not f then return { isError = true, content = { { type = "text", text = p.name .. " is only listed here" } } } end
	local ok, r = pcall(f, p.arguments or {})
	if ok then return r end
	return { isError = true, content = { { type = "text", text = tostring(r) } } }
end

local answers = {
	initialize = function(p)
		return { protocolVersion = VERSION, capabilities = { tools = {} }, serverInfo = { name = NAME, version = "1" } }
	end,
	ping = function() return {} end,
	["tools/list"] = function() return { tools = json.array(tools) } end,
	["tools/call"] = call,
}

for line in io.lines() do
	local m = json.decode(line)
	if m.id ~= nil and m.method then
		local f = answers[m.method]
		local out = { jsonrpc = "2.0", id = m.id }
		if f then out.result = f(m.params or {}) else out.error = { code = -32601, message = "Method not found" } end
		io.stdout:write(json.encode(out), "\n")
		io.stdout:flush()
	end
end
