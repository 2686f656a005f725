-- SPDX-License-Identifier: Apache-2.0
-- Snippets: a run that worked becomes a function that the policies have, and that others find and call.

local ORG = [[
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        payments: { users: { ana: {}, ben: {} } }
        research: { users: { rob: {} } }
policy: everything
applies_to: "*"
rules:
  - allow: shop/*
    unless: { id: { in: [13] } }
  - allow: code:run
]]
local TEAM = "customers/acme/teams/payments/snippets/"

local function shop()
	return mcp_server "shop" { tools = { { name = "price", inputSchema = { type = "object",
		properties = { id = { type = "integer" } }, required = json.array { "id" } },
		annotations = { readOnlyHint = true },
		result = function(a)
			return { content = json.array { { type = "text", text = "row" } },
				structuredContent = { id = a.id, cents = a.id * 100 } }
		end } } }
end

local TOTAL = [[
-- Sums the prices of some articles. Cents, not euros.
---@param ids integer[]  which articles
---@param currency? "EUR"|"USD"
---@return {cents:integer, currency?:string}
local sum = 0
for _, p in ipairs(pmap(args.ids, function(id) return shop.price{id = id} end)) do sum = sum + p.cents end
return { cents = sum, currency = args.currency }
]]

-- Files below the policies, beside the organisation.
local function bundle(files)
	local all = { ["root/rig.yaml"] = ORG }
	for name, content in pairs(files) do all[name] = content end
	return all
end

local function start(files, up)
	local gw = gateway { servers = { shop = up or shop() }, policies = bundle(files) }
	local ana = gw:key { name = "ana", customer = "acme", team = "payments", user = "ana" }
	gw:wait_tools(ana, 3)
	return gw, ana
end

local function lua(gw, key, code, more)
	local a = { code = code }
	for k, v in pairs(more or {}) do a[k] = v end
	local r = gw:mcp(key):call("lua", a)
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

local function told(...)
	local text = lua(...)
	return text
end

local function find(gw, key, query) return gw:mcp(key):call("tools", { query = query }).content[1].text end

local function runs_of(gw)
	gw:ok { "audit", "tail" } -- everything is in the database
	local ids = {}
	for _, row in ipairs(gw:audit()) do if row.kind == "run" and row.run then ids[#ids + 1] = row.run end end
	return ids
end

test "a snippet is called like a tool, and its calls are the key's own"
local up = shop()
local gw, ana = start({ [TEAM .. "total.lua"] = TOTAL }, up)
expect(told(gw, ana, "return snippets.total{ids = {1, 2, 3}}.cents")):has "600"
expect(told(gw, ana, 'return call("snippets.total", {ids = {4}, currency = "EUR"})')):has '"currency":"EUR"'
expect(#up.calls):is(4)
local text, failed = lua(gw, ana, "local a = 1\nreturn snippets.total{ids = {1, 13}}")
expect(failed):is(true)
expect(text):has "error line 2: snippets.total:6: shop.price: denied"
gw:stop()
local run
for _, row in ipairs(gw:audit()) do if row.kind == "run" then run = run or row end end
expect(#run.snippets):is(1)
expect(run.snippets[1]):matches "^total@%x%x%x%x%x%x%x%x%x%x%x%x$"

test "it is found where tools are found"
local gw, ana = start { [TEAM .. "total.lua"] = TOTAL }
local line = 'snippets.total{ids:integer[], currency?:"EUR"|"USD"} -> {cents:integer, currency?:string}'
expect(find(gw, ana, "sum prices of articles")):has(line .. "  -- Sums the prices of some articles")
expect(find(gw, ana, "snippets")):has(line)
expect(find(gw, ana, "snippets.total")):has "Cents, not euros."
expect(find(gw, ana, "snippets.total")):has "ids: which articles"
expect(told(gw, ana, 'return tools"snippets"')):has(line)
for _, t in ipairs(gw:mcp(ana):definitions()) do
	if t.name == "lua" then expect(t.description):has(line) end
end

test "a wrong call is told before anything runs, and one that is only seen when it is made as well"
local up = shop()
local gw, ana = start({ [TEAM .. "total.lua"] = TOTAL }, up)
for code, says in pairs {
	["shop.price{id = 1} return snippets.totl{}"] = "no tool 'totl'; did you mean total?",
	["shop.price{id = 1} return snippets.total{id = {1}}"] = "missing `ids` (got id)",
	["shop.price{id = 1} return snippets.total{ids = {1}, curency = 'EUR'}"] = "unknown argument `curency` (did you mean `currency`?)",
	["shop.price{id = 1} return snippets.total{ids = {1}, currency = 'GBP'}"] = '`currency` must be one of ["EUR","USD"]',
	["shop.price{id = 1} return snippets.total{ids = 'all'}"] = "`ids` must be of type",
} do
	local text, failed = lua(gw, ana, code)
	expect(failed):is(true)
	expect(text):has(says)
	expect(text):has "found before it ran"
	expect(text):has "snippets.total{ids:integer[]"
end
for code, says in pairs {
	["local a = {id = 1} return snippets.total(a)"] = "missing `ids` (got id)",
	["local a = {ids = {1}, curency = 'EUR'} return snippets.total(a)"] = "unknown argument `curency`; did you mean currency?",
	["local a = {ids = {1}, currency = 'GBP'} return snippets.total(a)"] = '`currency` must be of type "EUR"|"USD"',
	["local a = {ids = 'all'} return snippets.total(a)"] = "`ids` must be of type integer[]",
	["local n = 'total' .. '' return snippets['to' .. 'tal']{ids = {1}}"] = "", -- named all the same
} do
	local text, failed = lua(gw, ana, code)
	if says ~= "" then
		expect(failed):is(true)
		expect(text):has("line 1: snippets.total: invalid_args: " .. says)
		expect(text):has "snippets.total{ids:integer[]"
	end
end
expect(told(gw, ana, "return snippets['to' .. 'tal']{ids = {1}}")):has "it was not sent with the script"
expect(#up.calls):is(1)

test "a snippet's globals are its own: nobody changes another's"
local gw, ana = start {
	["root/snippets/steady.lua"] = [[
-- Counts words; leaves traces.
---@param text string
counter = (rawget(_ENV, "counter") or 0) + 1
local n = #split(args.text) + #args.text:gsub("%w+", ""):rep(0)
string.upper = function() return "poisoned" end
print = function() end
json.encode = nil
math.floor = nil
return { n = n, counter = counter, floor = ("%d"):format(7.0), up = ("x"):upper(), abs = math.abs(-1) }
]],
	["root/snippets/foreign.lua"] = [[
-- Writes as other languages do.
---@param text string
console.log("read")
return JSON.parse(args.text)
]],
	["root/snippets/outer.lua"] = [[
-- Calls another.
counter = 41
local r = snippets.steady{text = "a b"}
r.own = counter
r.shop = shop.price{id = 5}.cents
return r
]] }
expect(told(gw, ana, "return snippets.steady{text = 'a b c'}")):has '"counter":1'
-- what a snippet sets does not reach the script
local text = told(gw, ana, [[
snippets.steady{text = "a"} snippets.steady{text = "a"}
print("heard", rawget(_ENV, "counter"), string.upper("x"), json.encode{1}, math.floor(1.5), ("y"):upper())
return snippets.steady{text = "a b"}]])
expect(text):has "heard\tnil\tX\t[1]\t1\tY"
expect(text):has '"counter":1'
-- what a script sets does not reach the snippet
local text = told(gw, ana, [[
local real = shop.price
rawset(shop, "price", function() return {cents = -1} end)
shop = nil
split = function() return {} end
math.abs = function() return "poisoned" end
string.gsub, string.format, string.upper, string.gmatch = nil, nil, nil, nil
setmetatable, ipairs, type, error = nil, nil, nil, nil
counter = 99
return snippets.outer{}]])
expect(text):has '"n":2'
expect(text):has '"counter":1'
expect(text):has '"own":41'
expect(text):has '"up":"X"'
expect(text):has '"abs":1'
expect(text):has '"shop":500'
-- nor does what it writes into the names of other languages, which are global for nobody
expect(told(gw, ana, [[
JSON.parse = function() return {a = 2} end
console.log = error
return snippets.foreign{text = '{"a": 7}'}]])):has '"a":7'
-- and what is passed in is read as it is: no name beside `args`
expect(told(gw, ana, "local x, args = 1, {text = 'q'} return snippets.steady{text = 'w w'}")):has '"n":2'

test "snippets call one another to a limit, and in branches"
local gw, ana = start {
	["root/snippets/down.lua"] = "-- Goes down.\n---@param n integer\nif args.n == 0 then return 'bottom' end\n" ..
		"return snippets.down{n = args.n - 1}\n",
	["root/snippets/again.lua"] = "-- Goes down by another name.\n---@param n integer\nlocal ok, e = pcall(call, 'snippets.Again', {n = args.n + 1})\n" ..
		"return ok and e or {n = args.n, code = e.code, message = e.message}\n",
	["root/snippets/one.lua"] = "-- One price.\n---@param id integer\nlocal p = shop.price{id = args.id}\nreturn p.cents\n" }
expect(told(gw, ana, "return snippets.down{n = 15}")):has "bottom"
local text, failed = lua(gw, ana, "return snippets.down{n = 16}")
expect(failed):is(true)
expect(text):has "snippets call one another more than 16 deep"
expect(told(gw, ana, "return snippets.again{n = 1}")):has '"n":16'
expect(told(gw, ana, "return snippets.again{n = 1}")):has '"code":"too_deep"'
expect(told(gw, ana, "return sum(pmap({1, 2, 3, 4}, function(i) return snippets.one{id = i} end))")):has "1000"
expect(told(gw, ana, "return sum(pmap({1, 2, 3, 4}, function(i) return call('snippets.one', {id = i}) end))")):has "1000"
expect(told(gw, ana, "local co = coroutine.wrap(function() return snippets.one{id = 9} end) return co()")):has "900"

test "a snippet's error says where it is, and its caller can catch it"
local gw, ana = start {
	["root/snippets/bad.lua"] = "-- Fails.\n---@param how string\nif args.how == 'nil' then return args.none.x end\n" ..
		"\nif args.how == 'lib' then local r = map(1, 2) end\nerror('told: ' .. args.how)\n",
	["root/snippets/broken.lua"] = "-- Is no Lua.\nlocal x = = 1\n" }
for code, says in pairs {
	["local x = 1\nreturn snippets.bad{how = 'why'}"] = "error line 2: snippets.bad:6: told: why",
	["\nsnippets.bad{how = 'nil'}"] = "error line 2: snippets.bad:3: attempt to index a nil value (field 'none')",
	["snippets.bad{how = 'lib'}"] = "error line 1: snippets.bad:5: bad argument #1 to 'map'",
	["return snippets.broken{}"] = "snippets.broken:2: unexpected symbol near '='",
	["pmap({1}, function() return snippets.bad{how = 'x'} end)"] = "snippets.bad:6: told: x",
} do
	local text, failed = lua(gw, ana, code)
	expect(failed):is(true)
	expect(text):has(says)
end
expect(told(gw, ana, "local ok, e = pcall(snippets.bad, {how = 'x'}) return tostring(ok) .. ' ' .. e")):has "false snippets.bad:6: told: x"

test "what was there is told inside a snippet as in a script: fields, names, arguments, its line"
local gw, ana = start {
	["root/snippets/teach.lua"] = [[
-- Errs in many ways.
---@param how string
---@param row? table
local counted, row = 1, args.row
if args.how == "local" then return row.user.name end
if args.how == "args" then return args.hwo.x end
if args.how == "global" then found = { rows = {} } return found.row.x end
if args.how == "S" then return S.seen.x end
if args.how == "typo" then return conted end
if args.how == "library" then return grop_by(row, "x") end
if args.how == "server" then return shpp.price{id = 1} end
if args.how == "tool" then return shop.prices{id = 1} end
local id = { idd = 1 }
if args.how == "arguments" then return shop.price(id) end
if args.how == "other" then return snippets.inner{row = 7} end
if args.how == "branch" then return pmap({ 1 }, function(i) return row.user.name .. i end) end
local function deeper() local x = row.user.name return x end
if args.how == "deeper" then return deeper() end
if args.how == "zero" then return row.list[0].x end
for _ in ipairs(row) do end
]],
	["root/snippets/inner.lua"] = "-- Is called.\n---@param row table\nreturn args.row.x\n" }
local row = "{id = 1, title = 'x', list = {1}}"
for how, says in pairs {
	["local"] = "error line 2: snippets.teach:5: attempt to index a nil value (field 'user')\n  row has id, list, title\n" ..
		"  2| return snippets.teach",
	args = "snippets.teach:6: attempt to index a nil value (field 'hwo')\n  args has how, row",
	global = "snippets.teach:7: attempt to index a nil value (field 'row')\n  found has rows",
	S = "snippets.teach:8: attempt to index a nil value (field 'seen')\n  S has kept",
	typo = "hint: did you mean counted?",
	library = "snippets.teach:10: undefined global 'grop_by'; did you mean group_by?",
	server = "snippets.teach:11: undefined global 'shpp'; did you mean server shop?",
	tool = "snippets.teach:12: shop: unknown_tool: no tool 'prices'; did you mean price?",
	arguments = "snippets.teach:14: shop.price: invalid_args: missing `id` (got idd)\n  shop.price{id:integer}",
	other = "snippets.teach:15: snippets.inner: invalid_args: `row` must be of type table\n  snippets.inner{row:table",
	branch = "snippets.teach:16: attempt to index a nil value (field 'user')\n  row has id, list, title",
	deeper = "snippets.teach:17: attempt to index a nil value (field 'user')\n  row has id, list, title",
	zero = "hint: lists begin at 1: [0] is nil",
	list = "snippets.teach:20: bad argument #1 to 'ipairs' (list",
} do
	local text, failed = lua(gw, ana, "local conter, groupby, shoop, row = 1, 2, 3, " .. row .. " S.kept = 1\n" ..
		"return snippets.teach{how = '" .. how .. "', row = row}")
	expect(failed, how):is(true)
	expect(text, how):has(says)
	expect(text, how):matches "\n  snippets%.teach:%d+| "
end
-- a word that lets a script go over any table says nothing of the snippet that it calls
local text = told(gw, ana, "pairs{} return snippets.teach{how = 'list', row = " .. row .. "}")
expect(text):has "snippets.teach:20: bad argument #1 to 'ipairs' (list"
expect(told(gw, ana, "return snippets.teach{how = 'list', row = {a = 1}}")):has
	"note: snippets.teach:20: ipairs looped over nothing: no list, but the fields a"
-- a script's globals are not named to a snippet that has mistyped one of its own
local text = told(gw, ana, "contedd = 1 return snippets.teach{how = 'typo', row = {}}")
expect(text):lacks "mean contedd"

test "S and last are the session's, whoever names them"
local gw, ana = start {
	["root/snippets/note.lua"] = "-- Notes in S.\n---@param v string\nS.noted = args.v\nif args.v == 'new' then S = {fresh = 1} end\nreturn last\n",
	["root/snippets/plain.lua"] = "-- Leaves S alone.\nreturn 1\n" }
local c = gw:mcp(ana)
local function call(code) return c:call("lua", { code = code }).content[1].text end
call "return snippets.note{v = 'a'}"
expect(call "return S"):has '"noted":"a"'
call "snippets.plain{} return 'kept'"
expect(call "return snippets.note{v = 'new'}"):has "kept"
expect(call "return S"):has '"fresh":1'
expect(call "return S"):lacks "noted"

-- ---- the story ----


test "a run that worked becomes a reviewed function: saved, read, found, called by others of the team, changed"
local up = shop()
local gw, ana = start({}, up)
local ben = gw:key { name = "ben", customer = "acme", team = "payments", user = "ben" }
local rob = gw:key { name = "rob", customer = "acme", team = "research", user = "rob" }
expect(told(gw, ana, "local n = 0\nfor i = 1, 3 do n += shop.price{id = i}.cents end\nreturn n")):has "600"
local run = runs_of(gw)[1]

-- saved: a new file, with a head to be edited, of what ran in Lua proper
local saved = gw:ok { "script", "save", run, "three_prices", "--description", "Sums three prices." }
local file = gw.folder .. "/policies/" .. TEAM .. "three_prices.lua"
expect(saved.out:gsub("%s+$", "")):is(file)
local text = read_file(file)
expect(text):has "-- Sums three prices.\n\n-- Saved from run "
expect(text):has "for i = 1, 3 do n = n + (shop.price{id = i}.cents) end"
local again = gw:cli { "script", "save", run, "three_prices" }
expect(again.code):is(1)
expect(read_file(file)):is(text)
expect(again.err):has "is there already: nothing was written"
for _, c in ipairs {
	{ { run, "Bad-Name" }, "named by small letters" }, { { "r000000", "x" }, 'no run "r000000"' },
	{ { run, "x", "--to", "customers/acme/teams/sales" }, "sales" },
	{ { run, "x", "--to", "../../etc" }, "a snippet's folder is root, customers/NAME" },
} do
	local r = gw:cli { "script", "save", table.unpack(c[1]) }
	expect(r.code):is(1)
	expect(r.err):has(c[2])
end
lua(gw, ana, "shop.price{id = 1} error('x')")
local failed = gw:cli { "script", "save", runs_of(gw)[2], "x" }
expect(failed.err):has "only a run that worked becomes a snippet"

-- nor is it written where a link leads out of the policies, and such a link is named by check
local snippets = gw.folder .. "/policies/customers/acme/snippets"
sys.mkdir(gw.folder .. "/elsewhere")
assert(os.execute("ln -s " .. gw.folder .. "/elsewhere " .. snippets))
local out = gw:cli { "script", "save", run, "led_out", "--to", "customers/acme" }
expect(out.code):is(1)
expect(out.err):has("policies/customers/acme/snippets is a symbolic link that leads out of the folder, to ")
expect(read_file(gw.folder .. "/elsewhere/led_out.lua")):is(nil)
expect(gw:cli({ "check" }).err):has(snippets .. ": is a symbolic link that leads out of the policies, to ")
sys.remove(snippets)

-- reviewed: what was fixed becomes a parameter
sys.write_file(file, [[
-- Sums prices.
---@param ids integer[]  of the articles
local n = 0
for _, i in ipairs(args.ids) do n = n + shop.price{id = i}.cents end
return n
]])
expect(gw:ok({ "reload" }).out):has "in force"
expect(find(gw, ben, "sum prices")):has "snippets.three_prices{ids:integer[]}  -- Sums prices"
expect(told(gw, ben, "return snippets.three_prices{ids = {5, 6}}")):has "1100"
local run = runs_of(gw)[3]
local list = gw:ok({ "script", "list", "--key", "ben", "--json" }).json
expect(#list):is(1)
expect(list[1]):has { name = "three_prices", file = TEAM .. "three_prices.lua", signature = "snippets.three_prices{ids:integer[]}" }
expect(gw:ok({ "script", "list" }).out):has("three_prices             " .. list[1].version .. "  " .. TEAM)

-- another team has never heard of it
expect(find(gw, rob, "sum prices")):lacks "snippets"
expect(find(gw, rob, "snippets")):lacks "three_prices"
local text, failed = lua(gw, rob, "return snippets.three_prices{ids = {1}}")
expect(failed):is(true)
expect(text):has "undefined global 'snippets'"
expect(gw:ok({ "script", "list", "--key", "rob" }).out):is ""

-- a change is told to who reviews it
sys.mkdir(gw.folder .. "/other") sys.mkdir(gw.folder .. "/other/root")
sys.write_file(gw.folder .. "/other/root/rig.yaml", ORG)
local d = gw:ok { "policy", "diff", gw.folder .. "/other", gw.folder .. "/policies" }
expect(d.out):has("+ snippet " .. TEAM .. "three_prices.lua: none -> " .. list[1].version)
local d = gw:ok { "policy", "diff", gw.folder .. "/policies", gw.folder .. "/other", "--json" }
expect(d.json.snippets):same { { file = TEAM .. "three_prices.lua", before = list[1].version } }

-- replayed, it is the same; changed, the replay says so
local r = gw:ok { "script", "replay", run }
expect(r.out):has "the same as then"
expect(r.out):lacks "changed"
sys.write_file(file, (read_file(file):gsub("return n", "return n + 1")))
gw:ok { "reload" }
local r = gw:cli { "script", "replay", run }
expect(r.code):is(1)
expect(r.out):has "not the same: then it ended with DONE"
expect(r.out):matches("snippets have changed since: three_prices@" .. list[1].version .. " is now @%x+")
sys.remove(file)
gw:ok { "reload" }
local r = gw:cli { "script", "replay", run }
expect(r.out):has("three_prices@" .. list[1].version .. " is not there any more")

test "a run that failed is resumed with the snippet that was fixed meanwhile, and told so"
local srv = mcp_server "shop" { tools = { "buy" } }
local gw = gateway { servers = { shop = srv }, policies = bundle { [TEAM .. "order.lua"] =
	"-- Orders.\n---@param what string\nlocal r = shop.buy{what = args.what}\nerror('not ready')\n" } }
local ana = gw:key { name = "ana", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(ana, 3)
local text = told(gw, ana, "return snippets.order{what = 'tea'}")
expect(text):has "done: shop.buy"
local id = text:match 'resume="(r%w+)"'
sys.write_file(gw.folder .. "/policies/" .. TEAM .. "order.lua",
	"-- Orders.\n---@param what string\nlocal r = shop.buy{what = args.what}\nreturn 'ordered'\n")
gw:ok { "reload" }
local text, failed = lua(gw, ana, "return snippets.order{what = 'tea'}", { resume = id })
expect(failed):is(false)
expect(text):has "ordered"
expect(text):has "snippets have changed since this run began: order@"
expect(#srv.calls, "bought once"):is(1)

test "what cannot be a snippet is told with its place, and the policies in force stay"
local gw, ana = start {}
local dir = gw.folder .. "/policies/"
local good = "-- Does it.\nreturn 1\n"
local function make_dirs(path)
	local at = dir
	for part in path:gmatch "[^/]+" do
		at = at .. part .. "/"
		sys.mkdir(at)
	end
end
local function refused(file, text, says)
	make_dirs(file:match "^(.*)/")
	sys.write_file(dir .. file, text)
	local r = gw:cli { "reload" }
	expect(r.code, file):is(1)
	expect(r.err):has(says)
	sys.remove(dir .. file)
end
refused("root/snippets/a.lua", "return 1\n", "root/snippets/a.lua:1:1: the head is missing")
refused("root/snippets/a.lua", "-- Does.\n---@param x strin\n", "a.lua:2:13: types are string, integer")
refused("root/snippets/a.lua", "-- Does.\n---@parm x string\n", "a.lua:2:5: a head has ---@param and ---@return")
refused("root/snippets/a.lua", "-- Does.\n---@param end string\n", "a.lua:2:11: a keyword of Lua")
refused("root/snippets/a.lua", "-- Does.\n--[[ hidden\n]]\n", "a.lua:2:1: a head has no long comment")
refused("root/snippets/A.lua", good, "A.lua: a snippet is named by small letters")
refused("root/x.lua", good, "root/x.lua: a snippet stands in root/snippets/")
refused("customers/acme/teams/sales/snippets/a.lua", good, "customers/acme/teams/sales/snippets/a.lua:")
make_dirs "root/snippets"
sys.write_file(dir .. "root/snippets/twin.lua", good)
refused(TEAM .. "twin.lua", good, "there is a snippet of that name in")
gw:ok { "reload" }
expect(told(gw, ana, "return snippets.twin{}")):has "1"

test "check compiles snippets where a worker can be had, and says where one is no Lua"
local gw = gateway { start = false, servers = { shop = shop() }, policies = bundle { ["root/snippets/ok.lua"] = "-- Is.\nreturn args\n",
	["root/snippets/broken.lua"] = "-- Is no Lua.\nlocal x = = 1\n" } }
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err):matches("root/snippets/broken%.lua:2: unexpected symbol near '='")
expect(r.err):lacks "ok.lua"
sys.remove(gw.folder .. "/policies/root/snippets/broken.lua")
expect(gw:ok({ "check" }).out):has "ok:"

test "check and lint read snippets as a script is read before it runs: tools of mcp.lock, arguments, names, who may"
local up = shop()
up.tools[#up.tools + 1] = { name = "refund", inputSchema = { type = "object", properties = { id = { type = "integer" } } } }
local files = {
	["root/snippets/good.lua"] = "-- Is good.\n---@param id integer\nlocal p = shop.price{id = args.id}\nS.seen = last\n" ..
		"if False then return JSON.stringify(unpack{1}) end\ngoto done\n::done::\nlocal t <const> = {id = 1}\n" ..
		"return snippets.total{ids = {p.id}}, sum(t, 'id'), string.upper 'x', other.whatever{}, utf8.char(1)\n",
	["root/snippets/total.lua"] = TOTAL,
	["root/snippets/tool.lua"] = "-- Calls what is not there.\nif shop.pay then shop.pay{} end\npcall(shop.pya, {})\n" ..
		"return 1\n",
	["root/snippets/typo.lua"] = "-- Calls what is not there.\nlocal x = 1\nreturn shop.prices{id = x}\n",
	["root/snippets/arguments.lua"] = "-- Passes what is not taken.\nlocal x = 1\nshop.price{}\nreturn snippets.total{id = {1}}\n",
	["root/snippets/names.lua"] = "-- Reads what is not there.\nlocal first = len(args)\nlocal y = 1 print(y)\n" ..
		"return grop_by(first), shpo.price{id = 1}, frist, os.time()\n",
	["root/snippets/broken.lua"] = "-- Is no Lua.\nif x ? 1 : 2 then\n",
	[TEAM .. "theirs.lua"] = "-- The team's.\nreturn shop.refund{id = 1}, snippets.total{ids = {1}}\n",
	["customers/acme/snippets/acmes.lua"] = "-- Calls a team's.\nreturn snippets.theirs{what = 1}, snippets.others{}\n",
	["customers/beta/snippets/others.lua"] = "-- Another customer's.\nreturn shop.price{id = 1}\n",
	["customers/acme/refunds.yaml"] = "version: 1\npolicy: refunds\napplies_to: { teams: [research] }\nrules:\n  - allow: shop/refund\n",
}
files["root/rig.yaml"] = ORG:gsub("    acme:\n", "    beta: {}\n    acme:\n"):gsub("    unless: [^\n]*\n", ""):gsub("shop/%*", "shop/price\n  - allow: other/*")
local gw = gateway { servers = { shop = up, other = mcp_server "other" { tools = { "whatever" } } }, policies = files }
local root = gw.folder .. "/policies/root/snippets/"
local before = gw:cli { "check" }
expect(before.err, "without a lock nothing is known of tools"):lacks "shop.prices"
gw:ok { "lock", "init", "--by", "ana" }
local r = gw:cli { "check" }
expect(r.code):is(1)
for _, says in ipairs {
	root .. "typo.lua:3: shop: unknown_tool: no tool 'prices'; did you mean price?\n  shop.price{id:integer}",
	root .. "arguments.lua:3: shop.price: invalid_args: missing `id` (got no arguments)\n  shop.price{id:integer}",
	root .. "arguments.lua:4: snippets.total: invalid_args: missing `ids` (got id)\n  snippets.total{ids:integer[]",
	root .. "names.lua:2: undefined global 'len'\nhint: the length of a list or string is #x\n",
	root .. "names.lua:4: undefined global 'grop_by'; did you mean group_by?\n",
	root .. "names.lua:4: undefined global 'shpo'",
	root .. "names.lua:4: undefined global 'frist'\nhint: did you mean first?\n",
	root .. "broken.lua:2: 'then' expected near '?'\nhint: no ?: in Lua: c and a or b\n",
	gw.folder .. "/policies/customers/acme/snippets/acmes.lua:2: snippets.theirs: invalid_args: unknown argument `what`",
	gw.folder .. "/policies/customers/acme/snippets/acmes.lua:2: snippets: unknown_tool: no tool 'others'",
	gw.folder .. "/policies/" .. TEAM .. "theirs.lua:2: warning: it calls shop/refund, which nobody who sees it may call",
} do expect(r.err):has(says) end
for _, name in ipairs { "good.lua", "tool.lua", "total.lua", "others.lua", "'print'", "'os'" } do expect(r.err):lacks("snippets/" .. name) end
expect(select(2, r.err:gsub("warning:", ""))):is(1)

-- `policy lint` says the same, for programs too
local r = gw:cli { "policy", "lint" }
expect(r.code):is(1)
expect(r.err):has(root .. "typo.lua:3: error: shop: unknown_tool")
local r = gw:cli { "policy", "lint", "--json" }
local found = {}
for line in r.out:gmatch "[^\n]+" do found[#found + 1] = json.decode(line) end
expect(found):has { file = "root/snippets/typo.lua", line = 3, level = "error" }

-- once they are right, only the warning is left
for name in pairs(files) do
	if name:match "%.lua$" and not name:match "good" and not name:match "total" and not name:match "theirs" then
		sys.remove(gw.folder .. "/policies/" .. name)
	end
end
local r = gw:cli { "check" }
expect(r.code):is(0)
expect(r.out):has "ok:"
expect(r.err):matches "^[^\n]*theirs.lua:2: warning: [^\n]*\n$"
-- and nobody may run scripts at all: once, not for each call
sys.write_file(gw.folder .. "/policies/root/rig.yaml", (read_file(gw.folder .. "/policies/root/rig.yaml"):gsub("code:run", "model:*")))
expect(gw:cli({ "check" }).err):has "good.lua: warning: nobody who sees it may run scripts"

test "the example's snippet does what its head says"
local text = read_file "policies/examples/team/customers/acme/teams/payments/snippets/orders_by_status.lua"
local orders = {}
for i = 1, 120 do orders[i] = { id = "o-" .. i, customer = i % 2 == 0 and "even" or "odd", status = i % 3 == 0 and "open" or "shipped", total_cents = 10 } end
local srv = mcp_server "notes" { tools = { { name = "list_orders", inputSchema = { type = "object" }, annotations = { readOnlyHint = true },
	result = function(a)
		local from, page = tonumber(a.cursor or "1"), json.array()
		for i = from, math.min(from + 49, 120) do page[#page + 1] = orders[i] end
		return { content = json.array(), structuredContent = { orders = page, found = 120,
			next_cursor = from + 50 <= 120 and tostring(from + 50) or nil } }
	end } } }
local gw = gateway { servers = { notes = srv }, policies = bundle { [TEAM .. "orders_by_status.lua"] = text,
	["root/notes.yaml"] = 'version: 1\npolicy: notes\napplies_to: "*"\nrules:\n  - allow: notes/*\n',
	["root/rig.yaml"] = (ORG:gsub("  %- allow: shop/%*\n    unless: [^\n]*\n", "")) } }
local ana = gw:key { name = "ana", customer = "acme", team = "payments", user = "ana" }
gw:wait_tools(ana, 3)
expect(find(gw, ana, "orders by status")):has "snippets.orders_by_status{customer?:string}"
expect(told(gw, ana, "return snippets.orders_by_status{}")):has '"shipped":{"cents":800,"orders":80}'
expect(told(gw, ana, "return snippets.orders_by_status{customer = 'odd'}")):has '"open":{"cents":200,"orders":20}'
expect(#srv.calls, "three pages, twice"):is(6)
