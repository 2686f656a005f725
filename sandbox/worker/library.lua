-- SPDX-License-Identifier: Apache-2.0
-- library - what scripts find beside Lua's own functions.  Runs once, in the trimmed environment,
-- before any script; so it can do no more than a script can, plus what calls.c passes in:
--   fan(list, fn, keep)  concurrent branches        fail(server, tool, code, message)  raises
--   now()                the run's frozen time      search{query=}  asks the gateway
--   by_name              "server.tool" -> function, enumerable as far as they have been named
--   show_blob{blob=}     asks the gateway to put a handle's block into the result
--   find(server, tool)   its function or nil        fill(server, t)  all that t lacks
--   note(text)           prints it with the line    in_c(f)         f, whose caller's line is kept
--   params(f)            how many f names           was_null(t, k)  a result that said null there
--   null_keys(t)         of a result: where it said null
--   write(...)           prints without a line end  in_text(s)     is s in the text that runs?
local fan, fail, now, search, by_name, show_blob, find, fill, note, in_c, params, was_null, write, in_text, null_keys = ...
local type, tostring, error, ipairs, pairs, select = type, tostring, error, ipairs, pairs, select
local rawget, rawset, rawlen, next, tonumber, mtype = rawget, rawset, rawlen, next, tonumber, math.type
local sort, unpack, concat = table.sort, table.unpack, table.concat
local floor, format = math.floor, string.format
local array, null = array, null

local function want(v, kind, n, name)
	if type(v) ~= kind then
		error(format("bad argument #%d to '%s' (%s expected, got %s)", n, name, kind,
			v == nil and "nil" or type(v)), 3)
	end
end

-- A list, not the object around it: that would silently be taken for an empty one.
local function want_list(v, name)
	if type(v) ~= "table" then
		error(format("bad argument #1 to '%s' (table expected, got %s)", name, type(v)), 3)
	end
	if rawlen(v) > 0 or next(v) == nil then return end
	local fields = {}
	for k in next, v do
		if type(k) == "string" and #fields < 12 then fields[#fields + 1] = k end
	end
	sort(fields)
	error(format("bad argument #1 to '%s' (list expected, got a table with the fields %s)", name,
		concat(fields, ", ")), 3)
end

-- Absent, or a null that a list kept: what `x == null` of other languages means.
function is_null(v) return v == nil or v == null end

-- ---- lists ----
local function getter(k)
	if type(k) == "function" then return k end
	return function(v) return v[k] end
end

-- map(fn, list) is meant as map(list, fn); map(list, "name") takes that field of each.
local function list_and_fn(list, fn, name)
	if type(list) == "function" and type(fn) == "table" then list, fn = fn, list end
	want_list(list, name)
	if type(fn) == "string" then fn = getter(fn) end
	want(fn, "function", 2, name)
	return list, fn
end

-- No item had the field: a misspelled name, mostly, and the result is wrong without a sound.
local function note_field(list, key, name)
	local first = list[1]
	if type(key) ~= "string" or type(first) ~= "table" or was_null(first, key) then return end
	local fields = {}
	for k in next, first do
		if type(k) == "string" and #fields < 16 then fields[#fields + 1] = k end
	end
	sort(fields)
	note(format("%s: no item has the field '%s'; the first has %s", name, key, concat(fields, ", ")))
end

function map(list, fn)
	list, fn = list_and_fn(list, fn, "map")
	local out = array{}
	for i, v in ipairs(list) do out[#out + 1] = fn(v, i) end
	return out
end

function filter(list, fn)
	list, fn = list_and_fn(list, fn, "filter")
	local out = array{}
	for i, v in ipairs(list) do if fn(v, i) then out[#out + 1] = v end end
	return out
end

-- Without a start the first item is it.
function reduce(list, fn, acc)
	if type(acc) == "function" and type(fn) ~= "function" then fn, acc = acc, fn end
	list, fn = list_and_fn(list, fn, "reduce")
	local from = 1
	if acc == nil then acc, from = list[1], 2 end
	for i, v in ipairs(list) do
		if i >= from then acc = fn(acc, v, i) end
	end
	return acc
end

function sum(list, key)
	want_list(list, "sum")
	local get, total, found = key ~= nil and getter(key), 0, false
	for _, v in ipairs(list) do
		if get then v = get(v) end
		found = found or v ~= nil
		total = total + (v or 0)
	end
	if not found then note_field(list, key, "sum") end
	return total
end

function pluck(list, key)
	want_list(list, "pluck")
	local out = array{}
	for _, v in ipairs(list) do out[#out + 1] = v[key] end
	if #out == 0 then note_field(list, key, "pluck") end
	return out
end

function group_by(list, key)
	want_list(list, "group_by")
	local get, out, all, left = getter(key), {}, 0, 0
	for _, v in ipairs(list) do
		local k = get(v)
		all = all + 1
		if k ~= nil then
			local g = rawget(out, k)
			if not g then g = array{} out[k] = g end
			g[#g + 1] = v
		else
			left = left + 1
		end
	end
	if left > 0 and left == all and type(key) == "string" then
		note_field(list, key, "group_by")
	elseif left > 0 then
		note(format("group_by left out %d of %d items: %s is nil there", left, all,
			type(key) == "string" and key or "their key"))
	end
	return out
end

local function is_descending(how)
	if type(how) == "table" then how = how.descending or how.desc or how.reverse end
	if type(how) == "string" then return how:lower():find("^desc") ~= nil end
	return how
end

local function sorted_by(list, less)
	local out = array{}
	for i, v in ipairs(list) do out[i] = v end
	sort(out, less)
	return out
end

function sort_by(list, key, how)
	want_list(list, "sort_by")
	if type(key) == "function" and params(key) == 2 then return sorted_by(list, key) end
	local descending, first, found = is_descending(how), list[1], false
	if type(key) == "string" and key:sub(1, 1) == "-" and type(first) == "table" and first[key] == nil then
		key, descending = key:sub(2), not descending
	end
	local get, out = getter(key), array{}
	for i, v in ipairs(list) do
		out[i] = { get(v), i, v }
		found = found or out[i][1] ~= nil
	end
	if not found then note_field(list, key, "sort_by") end
	sort(out, function(a, b)
		local x, y = a[1], b[1]
		if x == y then return a[2] < b[2] end -- stable
		if x == nil or y == nil then return y == nil end -- nothing last
		if descending then return y < x end
		return x < y
	end)
	for i, e in ipairs(out) do out[i] = e[3] end
	return out
end

local function key_less(a, b)
	if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
	return tostring(a) < tostring(b)
end

function keys(t)
	want(t, "table", 1, "keys")
	local out = array{}
	for k in pairs(t) do out[#out + 1] = k end -- of a server: its tools
	sort(out, key_less)
	return out
end
local keys = keys -- a script may replace its own; what we keep is not handed to it

-- ---- text ----
function split(s, sep)
	want(s, "string", 1, "split")
	local out, at = array{}, 1
	if sep == nil or sep == "" then
		for w in s:gmatch("%S+") do out[#out + 1] = w end
		return out
	end
	while true do
		local a, b = s:find(sep, at, true)
		if not a then out[#out + 1] = s:sub(at) return out end
		out[#out + 1] = s:sub(at, a - 1)
		at = b + 1
	end
end

function trim(s)
	want(s, "string", 1, "trim")
	return s:match("^%s*()") > #s and "" or s:match("^%s*(.*%S)")
end

function lines(s)
	want(s, "string", 1, "lines")
	local out = array{}
	for l in (s:gsub("\n$", "") .. "\n"):gmatch("(.-)\r?\n") do out[#out + 1] = l end
	return out
end

-- The structure of a value without its contents: {id:integer, owner?:string, tags:string[2]}.  Of a
-- list it is that of its first items together: what one of them lacks, or has null, another shows.
local items_looked_at, keys_shown = 50, 60
local shape_of

local function fields_of(list, n)
	local first, count, nulls = {}, {}, {}
	for i = 1, n do
		for k, v in next, list[i] do
			local had = rawget(first, k)
			if had == nil or type(had) == "table" and next(had) == nil then rawset(first, k, v) end
			rawset(count, k, (rawget(count, k) or 0) + 1)
		end
		for _, k in ipairs(null_keys(list[i])) do rawset(nulls, k, true) end
	end
	for k in next, nulls do
		if rawget(first, k) == nil then rawset(first, k, null) rawset(count, k, n) end
	end
	return first, count
end

local function record_shape(list, n, depth)
	local first, count = fields_of(list, n)
	local names, out, same = keys(first), {}, nil
	for i, k in ipairs(names) do
		if i > keys_shown then out[i] = "..." break end
		local s = shape_of(rawget(first, k), depth + 1)
		if i == 1 then same = s elseif s ~= same then same = false end
		out[i] = tostring(k) .. (rawget(count, k) < n and "?:" or ":") .. s
	end
	if same and n == 1 and #names > 12 then return "table<string," .. same .. ">[" .. #names .. "]" end
	return "{" .. concat(out, ", ") .. "}"
end

local function list_shape(v, n, depth)
	local looked = n < items_looked_at and n or items_looked_at
	for i = 1, looked do
		local item = rawget(v, i)
		if type(item) ~= "table" or rawlen(item) > 0 or next(item) == nil and #null_keys(item) == 0 then
			return (n > 0 and shape_of(rawget(v, 1), depth + 1) or "any") .. "[" .. n .. "]"
		end
	end
	return record_shape(v, looked, depth + 1) .. "[" .. n .. "]"
end

shape_of = function(v, depth)
	local t = type(v)
	if v == null then return "null" end
	if t == "number" then return mtype(v) == "integer" and "integer" or "number" end
	if t == "string" then return #v > 40 and "string(" .. #v .. ")" or "string" end
	if t == "userdata" then return tostring(v) end
	if t ~= "table" then return t end
	if depth >= 6 then return "table" end
	local n = rawlen(v)
	if n == 0 and next(v) == nil and #null_keys(v) == 0 then return "any[0]" end
	if n > 0 then return list_shape(v, n, depth) end
	return record_shape({ v }, 1, depth)
end
function shape(v) return shape_of(v, 0) end

-- ---- concurrency ----
function pmap(list, fn, options)
	list, fn = list_and_fn(list, fn, "pmap")
	return fan(list, fn, type(options) == "table" and options.errors == "keep")
end

local function want_functions(list, names)
	for i, f in ipairs(list) do
		if type(f) ~= "function" then
			error(format("parallel takes functions (%s is a %s): "
				.. "parallel{function() return server.tool{...} end}",
				names and names[i] or "#" .. i, type(f)), 3)
		end
	end
end

-- parallel{issues = function() ... end, rows = function() ... end}: results by the same names.
local function parallel_named(fns, keep)
	local names, list, out = keys(fns), {}, {}
	for i, k in ipairs(names) do list[i] = fns[k] end
	want_functions(list, names)
	for i, v in ipairs(fan(list, nil, keep)) do
		if v ~= null then out[names[i]] = v end
	end
	return out
end

-- A table of functions gives a table of results; functions give results.
function parallel(first, second, ...)
	if type(first) == "table" then
		local keep = type(second) == "table" and second.errors == "keep"
		if type(second) == "function" then return pmap(first, second, ...) end
		if rawlen(first) == 0 and next(first) ~= nil then return parallel_named(first, keep) end
		want_functions(first)
		return fan(first, nil, keep)
	end
	want(first, "function", 1, "parallel")
	local list = { first, second, ... }
	for i = 1, select("#", ...) + 2 do
		if i ~= 2 or second ~= nil then want(list[i], "function", i, "parallel") end
	end
	local out = fan(list, nil, false)
	for i = 1, #list do if out[i] == null then out[i] = nil end end
	return unpack(out, 1, #list)
end

-- ---- time: frozen, UTC ----
local function days_from(y, m, d) -- proleptic Gregorian, from 1970-01-01
	y = y + (m - 1) // 12
	m = (m - 1) % 12 + 1
	if m <= 2 then y = y - 1 end
	local era = y // 400
	local yoe = y - era * 400
	local doy = (153 * (m + (m > 2 and -3 or 9)) + 2) // 5 + d - 1
	return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
end

local function civil(t)
	local days, rest = t // 86400, t % 86400
	local z = days + 719468
	local era = z // 146097
	local doe = z - era * 146097
	local yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
	local doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
	local mp = (5 * doy + 2) // 153
	local m = mp < 10 and mp + 3 or mp - 9
	local y = yoe + era * 400 + (m <= 2 and 1 or 0)
	return { year = y, month = m, day = doy - (153 * mp + 2) // 5 + 1, hour = rest // 3600,
		min = rest % 3600 // 60, sec = rest % 60, wday = (days + 4) % 7 + 1,
		yday = days - days_from(y, 1, 1) + 1, isdst = false }
end

local day_names = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }
local month_names = { "January", "February", "March", "April", "May", "June", "July", "August",
	"September", "October", "November", "December" }
local conversions
conversions = {
	Y = function(d) return format("%d", d.year) end,
	y = function(d) return format("%02d", d.year % 100) end,
	m = function(d) return format("%02d", d.month) end,
	d = function(d) return format("%02d", d.day) end,
	e = function(d) return format("%2d", d.day) end,
	H = function(d) return format("%02d", d.hour) end,
	I = function(d) return format("%02d", (d.hour + 11) % 12 + 1) end,
	M = function(d) return format("%02d", d.min) end,
	S = function(d) return format("%02d", d.sec) end,
	p = function(d) return d.hour < 12 and "AM" or "PM" end,
	j = function(d) return format("%03d", d.yday) end,
	w = function(d) return format("%d", d.wday - 1) end,
	A = function(d) return day_names[d.wday] end,
	a = function(d) return day_names[d.wday]:sub(1, 3) end,
	B = function(d) return month_names[d.month] end,
	b = function(d) return month_names[d.month]:sub(1, 3) end,
	F = "%Y-%m-%d", T = "%H:%M:%S", R = "%H:%M", D = "%m/%d/%y", x = "%m/%d/%y",
	X = "%H:%M:%S", c = "%a %b %e %H:%M:%S %Y", r = "%I:%M:%S %p",
	Z = function() return "UTC" end, z = function() return "+0000" end,
	["%"] = function() return "%" end, n = function() return "\n" end, t = function() return "\t" end,
}
local function strftime(f, d, level)
	return (f:gsub("%%(.?)", function(c)
		local how = rawget(conversions, c)
		if not how then error("os.date: unknown conversion '%" .. c .. "'", level) end
		return type(how) == "string" and strftime(how, d, level) or how(d)
	end))
end

local function whole(t, name, default)
	local v = t[name]
	if v == nil then v = default end
	local n = mtype(v) == "integer" and v or tonumber(v)
	if n == nil or n ~= floor(n) or n < -2^40 or n > 2^40 then
		error("os.time: field '" .. name .. "' is missing or not an integer", 3)
	end
	return floor(n)
end

os = {
	time = function(t)
		if t == nil then return now() end
		if type(t) ~= "table" then
			error("os.time takes a table: os.time{year=2026, month=1, day=31}; of a text: "
				.. "local y, m, d = s:match(\"(%d+)-(%d+)-(%d+)\")", 2)
		end
		local y, m, d = whole(t, "year"), whole(t, "month"), whole(t, "day")
		return days_from(y, m, d) * 86400 + whole(t, "hour", 12) * 3600
			+ whole(t, "min", 0) * 60 + whole(t, "sec", 0)
	end,
	date = function(f, t)
		if f == nil then f = "%c" end
		want(f, "string", 1, "os.date")
		if t == nil then t = now() end
		want(t, "number", 2, "os.date")
		if t ~= floor(t) or t < -2^46 or t > 2^46 then error("os.date: time out of range", 2) end
		if f:sub(1, 1) == "!" then f = f:sub(2) end
		local d = civil(floor(t))
		if f:sub(1, 2) == "*t" then return d end
		return strftime(f, d, 4)
	end,
	difftime = function(a, b)
		want(a, "number", 1, "os.difftime") want(b, "number", 2, "os.difftime")
		return a - b
	end,
}
setmetatable(os, {
	__index = function(_, k) error("undefined global 'os." .. tostring(k) .. "'", 2) end,
	__metatable = false,
})

-- ---- names ----
local servers = {} -- name -> { name -> function }, of those that have been named
local filled = {} -- the servers that have all of them
local longest = 64 -- edit distance is quadratic: names longer than this get no suggestion

local function norm(s) return (s:gsub("[^%w]", ""):lower()) end

local function distance(a, b)
	local row = {}
	for j = 0, #b do row[j] = j end
	for i = 1, #a do
		local diagonal = row[0]
		row[0] = i
		for j = 1, #b do
			local cost = a:byte(i) == b:byte(j) and 0 or 1
			local least = diagonal + cost
			if row[j] + 1 < least then least = row[j] + 1 end
			if row[j - 1] + 1 < least then least = row[j - 1] + 1 end
			diagonal, row[j] = row[j], least
		end
	end
	return row[#b]
end

local function nearest(wanted, names)
	if type(wanted) ~= "string" or #wanted > longest then return "" end
	local w, best, best_distance = norm(wanted), nil, #wanted // 3 + 1
	for _, name in ipairs(keys(names)) do
		local d = #name <= longest and distance(w, norm(name)) or 99
		if d < best_distance then best, best_distance = name, d end
	end
	return best and "; did you mean " .. best .. "?" or ""
end

-- Another spelling of the same name (readFile, read-file, READ_FILE), if only one tool has it.
local function same(wanted, names)
	local w, found = type(wanted) == "string" and norm(wanted), nil
	if not w then return nil end
	for name, fn in next, names do
		if norm(name) == w then
			if found then return nil end
			found = fn
		end
	end
	return found
end

local function all_of(server)
	local t = servers[server]
	if not filled[server] then
		fill(server, t)
		for k, fn in next, t do by_name[server .. "." .. k] = fn end
		filled[server] = true
	end
	return t
end

local function unknown(server, k)
	local fn, t = find(server, k), servers[server]
	if fn then
		t[k] = fn
		by_name[server .. "." .. k] = fn
		return fn
	end
	fn = same(k, all_of(server))
	if fn then return fn end
	local near = nearest(k, t)
	fail(server, nil, "unknown_tool", "no tool '" .. tostring(k) .. "'"
		.. (near ~= "" and near or "; search with tools\"what you need\""))
end

local function add_server(server)
	local t = {}
	servers[server] = t
	local proxy = setmetatable({}, {
		__index = function(_, k)
			local f = rawget(t, k)
			return f or unknown(server, k)
		end,
		__newindex = function() error("server tables are read-only", 2) end,
		__pairs = function() -- over a copy: the table itself stays ours
			local copy = {}
			for k, v in next, all_of(server) do copy[k] = v end
			return next, copy, nil
		end,
		__tostring = function() return "server " .. server end,
		__metatable = false,
	})
	if rawget(_ENV, server) == nil then rawset(_ENV, server, proxy) end
	return t
end

-- Without a tool: its server alone.
local function add_tool(server, tool, fn)
	local t = servers[server] or add_server(server)
	if tool then
		t[tool] = fn
		by_name[server .. "." .. tool] = fn
	end
end

local function unknown_name(name)
	local server, tool = name:match("^([^.]+)%.(.+)$")
	if server and servers[server] then return unknown(server, tool) end
	for s in next, servers do all_of(s) end
	local fn = same(name, by_name)
	if fn then return fn end
	fail(server or name, tool, "unknown_tool", server and "no server '" .. server .. "'"
		.. nearest(server, servers) or "a tool is called as \"server.tool\"")
end

function show(blob) show_blob{ blob = blob } end

function tools(query)
	if type(query) == "string" then query = { query = query } end
	return search(query)
end

for name, f in next, _ENV do
	if type(f) == "function" then rawset(_ENV, name, in_c(f)) end
end
for name, f in next, os do os[name] = in_c(f) end

-- ---- names of other languages ----
do
	local lib, json = string, json
	local decode, encode = json.decode, json.encode
	local function starts(s, p) return lib.sub(s, 1, #p) == p end
	local function ends(s, p) return p == "" or lib.sub(s, -#p) == p end
	local function contains(s, p) return lib.find(s, p, 1, true) ~= nil end
	lib.split, lib.trim, lib.strip, lib.lines = split, trim, trim, lines
	lib.startswith, lib.startsWith, lib.starts_with = starts, starts, starts
	lib.endswith, lib.endsWith, lib.ends_with = ends, ends, ends
	lib.contains, lib.includes = contains, contains
	json.parse, json.loads, json.stringify, json.dumps = decode, decode, encode, encode
end
local unpack_list, show = table.unpack, print
-- Of a library that is not there: what is harmless, and what is asked for most.
local function part_of(name, t)
	return setmetatable(t, {
		__index = function() error("undefined global '" .. name .. "'", 2) end,
		__metatable = false,
	})
end
local function write_to(_, ...) write(...) end
local stream = { write = write_to, flush = function() end, close = function() end }
local aliases = {
	debug = part_of("debug", { traceback = function(a, b) -- the message, without one
		if type(a) == "thread" then a = b end
		return a
	end }),
	io = part_of("io", { write = write, stdout = stream, stderr = stream }),
	True = true, False = false, unpack = unpack_list,
	console = { log = show, error = show, warn = show, info = show },
	JSON = { parse = json.decode, stringify = json.encode, decode = json.decode, encode = json.encode },
}
local absent = { None = true, undefined = true, NULL = true }
local modules = { string = string, table = table, math = math, utf8 = utf8, coroutine = coroutine,
	os = os, json = json, cjson = json, dkjson = json }
function aliases.require(name)
	local m = type(name) == "string" and (rawget(modules, name) or rawget(servers, name) and rawget(_ENV, name))
	if m then return m end
	error("no module '" .. tostring(name) .. "': json, string, table, math, utf8, os and the servers are there"
		.. " without require", 2)
end

-- The nearest of servers and of what is global in these tables.
local function near_global(k, ...)
	local near = nearest(k, servers)
	if near ~= "" then return (near:gsub("did you mean ", "did you mean server ")) end
	local names = {}
	for _, env in ipairs{ ... } do
		for name in next, env do if type(name) == "string" then names[name] = true end end
	end
	return nearest(k, names)
end

-- slack.post{...}, where there is no such server: which there are.
local function all_servers(k)
	if type(k) ~= "string" or not in_text(k .. ".") then return "" end
	local names = keys(servers)
	if #names == 0 then return "" end
	if #names > 20 then names[21] = "..." end
	return "; the servers are " .. concat(names, ", ", 1, #names < 21 and #names or 21)
end

-- github__get_issue, mcp__gate__github__get_issue: as clients name tools.
local function by_client_name(name)
	local at = 1
	while type(name) == "string" and #name <= 200 do
		local a, b = name:find("__", at, true)
		if not a then return nil end
		local server, tool = name:sub(at, a - 1), name:sub(b + 1)
		if servers[server] then return servers[server][tool] or unknown(server, tool) end
		at = b + 1
	end
end

-- Those of a snippet are in more than one table.
local globals = _ENV
local function missing(env, k, ...)
	local v = rawget(aliases, k)
	if v ~= nil then return v end
	if k == "_G" then return env end
	if env == globals then
		if k == "call_tool" or k == "callTool" then return rawget(env, "call") end
		v = by_client_name(k)
		if v then return v end
	end
	if rawget(absent, k) then return nil end
	if k == "last" then return nil end -- there is no previous script
	local near = near_global(k, env, ...)
	error("undefined global '" .. tostring(k) .. "'" .. (near ~= "" and near or all_servers(k)), 2)
end
setmetatable(_ENV, { __index = missing, __metatable = "locked" })

return add_tool, unknown_name, { servers = servers, all_of = all_of, unknown = unknown, unknown_name = unknown_name,
	aliases = aliases, missing = missing, nearest = nearest, by_name = by_name }
