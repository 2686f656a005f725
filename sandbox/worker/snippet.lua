-- SPDX-License-Identifier: Apache-2.0
-- snippet - the globals of a snippet.  Runs once, after library.lua and before any script.
--
-- A snippet is code that somebody reviewed; a script is not.  So each call of one gets globals of
-- its own: functions as they were before the script ran, copies of the libraries, tables of servers
-- that nobody has written into.  What it sets is gone when it returns.  S and last are the
-- session's, wherever they are named.  Values go in and out as they do for any function of Lua.
local inner, bind, call_at = ...
local servers, all_of, unknown, aliases = inner.servers, inner.all_of, inner.unknown, inner.aliases
local missing = inner.missing
local next, type, rawget, rawset, setmetatable = next, type, rawget, rawset, setmetatable
local error, tostring = error, tostring
local globals = _ENV

local function copy(t)
	local out = {}
	for k, v in next, t do rawset(out, k, v) end
	return out
end

local functions, libraries, others = {}, {}, {} -- others: JSON, console
for name, v in next, globals do
	if type(v) == "table" then libraries[name] = copy(v) else functions[name] = v end
end
functions.call = nil
for name, v in next, aliases do
	if type(v) == "table" then others[name] = copy(v) end
end
local os_names = { __index = function(_, k) error("undefined global 'os." .. tostring(k) .. "'", 2) end,
	__metatable = false }
local modules = { cjson = "json", dkjson = "json" }

local function read_only() error("server tables are read-only", 2) end

local function server_in(name, depth)
	local tools = servers[name]
	return setmetatable({}, {
		__index = function(_, k) return bind(rawget(tools, k) or unknown(name, k), depth) end,
		__newindex = read_only,
		__pairs = function()
			local all = {}
			for k, f in next, all_of(name) do all[k] = bind(f, depth) end
			return next, all, nil
		end,
		__tostring = function() return "server " .. name end,
		__metatable = false,
	})
end

local function globals_in(depth)
	local env = {}
	local function find(_, k)
		local v = rawget(functions, k)
		if v ~= nil then return v end
		if k == "S" or k == "last" then return rawget(globals, k) end
		if rawget(libraries, k) then
			v = copy(libraries[k])
			if k == "os" then setmetatable(v, os_names) end
		elseif k == "call" then
			v = call_at(depth)
		elseif k == "require" then
			v = function(name)
				name = rawget(modules, name) or name
				if rawget(libraries, name) or rawget(servers, name) then return env[name] end
				return aliases.require(name)
			end
		elseif rawget(servers, k) then
			v = server_in(k, depth)
		elseif rawget(others, k) then
			v = copy(others[k])
		else
			return missing(env, k, functions, libraries)
		end
		rawset(env, k, v)
		return v
	end
	return setmetatable(env, {
		__index = find,
		__newindex = function(_, k, v)
			rawset(k == "S" and globals or env, k, v)
		end,
		__metatable = "locked",
	})
end

-- What methods of text are, in a run that has snippets: those of Lua first, then what the script has
-- added to its `string`.
local function text_methods()
	return setmetatable(copy(libraries.string), { __index = rawget(globals, "string") })
end

return globals_in, text_methods
