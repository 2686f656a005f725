-- SPDX-License-Identifier: Apache-2.0
-- A policy that wants plans: what a script destroys is seen by a person first, as one list, and then done as listed.

local function tools()
	local n = 0
	local function told(text) return { content = json.array { { type = "text", text = text } } } end
	return {
		{ name = "list", annotations = { readOnlyHint = true }, result = function()
			n = n + 1
			return { content = json.array {}, structuredContent = { ids = json.array { 4, 9 }, n = n } }
		end },
		{ name = "delete", annotations = { destructiveHint = true }, result = function() return told("deleted") end,
			inputSchema = { type = "object", properties = { id = { type = "integer" }, why = { type = "string" } } } },
		{ name = "note", annotations = { destructiveHint = false }, result = function() return told("noted") end,
			inputSchema = { type = "object", properties = { text = { type = "string" } } } },
		{ name = "lies", annotations = { destructiveHint = true }, result = function() return told("lied") end },
	}
end

local function world(rule, o)
	o = o or {}
	local up = mcp_server "shop" { tools = tools() }
	local gw = gateway { servers = { shop = up }, start = false, policies = rules("allow: shop/*", rule or "allow: code:run\n    plan: destructive",
		table.unpack(o.more or {})), clock = "2026-08-21T12:00:00Z" }
	gw:ok { "lock", "init", "--by", "ana", "--force" }
	gw:start()
	local key = gw:dev()
	gw:wait_tools(key, 6)
	return gw, key, up
end

local function lua(gw, key, code, resume)
	local r = gw:mcp(key):call("lua", { code = code, resume = resume })
	if r.error then return r.error.message, true end
	return r.content[1].text, r.isError
end
local function made(up, name)
	local out = {}
	for _, c in ipairs(up.calls) do if c.name == name then out[#out + 1] = c.args end end
	return out
end
-- Runs it as a plan: the run and the request.
local function planned(gw, key, code, resume)
	local text, failed = lua(gw, key, code, resume)
	expect(failed, text):is(false)
	local run, id = text:match("^paused run (r%w+): its plan needs approval (d_%w+)%.")
	expect(run ~= nil, text):is(true)
	return run, id, text
end
local function yes(gw, id) gw:ok { "approve", id } end

local CLEAN = [[
local l = shop.list{}
for _, id in ipairs(l.ids) do shop.delete{id=id} end
shop.note{text="cleaned"}
return "n=" .. l.n]]

test "the script is run as a plan, a person sees the list, and it is done as listed, once"
local gw, key, up = world()
local run, id, text = planned(gw, key, CLEAN)
expect(text):has('nothing of this has been done, 2 calls:\n  shop.delete{"id":4}\n  shop.delete{"id":9}\n')
expect(text):has('Then call lua{code="", resume="' .. run .. '"}')
expect(#made(up, "delete") + #made(up, "note"), "nothing was changed"):is(0)
-- Whoever decides sees the calls, one request for all of them.
local list = gw:ok({ "approve", "--list", "--json" }).json
expect(#list):is(1)
expect(list[1].arguments):has('"tool":"shop/delete","arguments":{"id":4}')
expect(list[1].why):has("policy tools:")
-- Before the yes nothing goes on.
text = lua(gw, key, "", run)
expect(text):has("waits for the approval of its plan, " .. id)
expect(#made(up, "delete")):is(0)
yes(gw, id)
local failed
text, failed = lua(gw, key, "", run)
expect(failed, text):is(false)
expect(text, "the read is answered as it was in the plan"):has("n=1")
expect(made(up, "delete")):same { { id = 4 }, { id = 9 } }
expect(#made(up, "note")):is(1)
-- Once: the run is over, and the same script needs a plan again.
text, failed = lua(gw, key, "", run)
expect(failed):is(true)
expect(text):has("has ended well")
local _, other = planned(gw, key, CLEAN)
expect(other ~= id):is(true)
expect(#made(up, "delete")):is(2)
local asked = {}
for _, row in ipairs(gw:audit()) do
	if row.name:find("^approval") then asked[#asked + 1] = row.name end
end
expect(asked):same { "approval.asked", "approval.granted", "approval.used", "approval.asked" }

test "scripts that destroy nothing run as always, and direct calls are none of it"
local gw, key, up = world()
expect((lua(gw, key, 'shop.note{text="a"} return shop.list{}.n'))):is("1")
expect(gw:mcp(key):call("shop__delete", { id = 1 }).content[1].text):is("deleted")
-- plan: writes asks for whatever is not read-only.
local gw, key, up = world("allow: code:run\n    plan: writes")
local run, id, text = planned(gw, key, 'shop.note{text="a"} return shop.list{}.n')
expect(text):has('1 call:\n  shop.note{"text":"a"}')
yes(gw, id)
expect((lua(gw, key, "", run))):is("2")
expect(#made(up, "note")):is(1)

test "what a script does otherwise than in its plan is refused, and the error teaches"
local gw, key, up = world()
local function twofaced(code)
	local before = #made(up, "delete")
	local run, id = planned(gw, key, code)
	yes(gw, id)
	local text, failed = lua(gw, key, "", run)
	return text, failed, #made(up, "delete") - before
end
-- The answer tells the two apart.
local text, failed, n = twofaced [[
local r = shop.delete{id=1}
if r == "deleted" then shop.delete{id=666} end
return "done"]]
expect(failed):is(true)
expect(text):has("shop.delete: this call is not the next of the plan that was approved")
expect(text):has("run the script again without resume for a new plan")
expect(n):is(1)
-- Caught, it goes on; what was not listed is not made.
text, failed, n = twofaced [[
local r = shop.delete{id=1}
local ok, e = pcall(shop.delete, {id = r == "deleted" and 666 or 2})
return tostring(ok) .. " " .. (ok and "" or e.code)]]
expect(text):is("false denied")
expect(n):is(1)
-- Another order.
text, failed, n = twofaced [[
local first = shop.delete{id=1}
local order = first == "deleted" and {3, 2} or {2, 3}
for _, id in ipairs(order) do shop.delete{id=id} end]]
expect(failed):is(true)
expect(n):is(1)
-- More of the same.
text, failed, n = twofaced [[
local r = shop.delete{id=1}
for i = 1, r == "deleted" and 3 or 1 do shop.delete{id=7} end]]
expect(failed):is(true)
expect(n):is(2)
-- Another tool.
text, failed, n = twofaced [[
local r = shop.delete{id=1}
if r == "deleted" then shop.lies{} else shop.delete{id=2} end]]
expect(failed):is(true)
expect(#made(up, "lies")):is(0)
-- One left out refuses those after it.
text, failed, n = twofaced [[
local r = shop.delete{id=1}
if r ~= "deleted" then shop.delete{id=2} end
shop.delete{id=3}]]
expect(failed):is(true)
expect(n):is(1)

test "a counter in S, the time and another list do not tell the plan from the run"
local gw, key, up = world()
local run, id = planned(gw, key, [[
S.n = (S.n or 0) + 1
local l = shop.list{}
shop.delete{id = S.n * 1000 + l.n}
return os.time()]])
-- Another script of the session comes between, and the clock goes on.
expect((lua(gw, key, "S.n = 50 return shop.list{}.n"))):is("2")
gw:advance("5m")
yes(gw, id)
local text, failed = lua(gw, key, "", run)
expect(failed, text):is(false)
expect(made(up, "delete")):same { { id = 1001 } }

test "branches of a pmap keep their lists, in whatever order they run"
local gw, key, up = world()
local run, id, text = planned(gw, key, [[
local r = pmap({1, 2, 3}, function(i) shop.delete{id=i} return shop.delete{id=i * 10} end)
return #r .. tostring(r[1])]])
expect(text):has("6 calls:")
yes(gw, id)
local failed
text, failed = lua(gw, key, "", run)
expect(failed, text):is(false)
expect(text):is("3deleted")
expect(#made(up, "delete")):is(6)

test "other code, another key, other policies, a no, and time each end it"
local gw, key, up = world()
local run, id = planned(gw, key, CLEAN)
yes(gw, id)
-- Other code under the same run is a plan of its own.
local other_run, other = planned(gw, key, "shop.delete{id=5}", run)
expect(other ~= id):is(true)
expect(other_run):is(run)
-- A run is its key's.
local eve = gw:key { name = "eve", user = "ana" }
expect((lua(gw, eve, "", run))):has("there is no run")
gw:ok { "approve", other, "--deny", "--reason", "not that one" }
local text, failed = lua(gw, key, "", run)
expect(failed):is(true)
expect(text):has("not that one")
-- The yes of before is for that plan, whoever makes it again: it waits for its one use.
text = lua(gw, key, CLEAN)
expect(text):has("its plan is approved already")
-- Policies that have changed ask again.
run, id = planned(gw, key, "shop.list{} " .. CLEAN)
yes(gw, id)
local file = gw.folder .. "/policies/root/tools.yaml"
sys.write_file(file, read_file(file) .. "  - allow: \"model:*\"\n")
gw:ok { "reload" }
text, failed = lua(gw, key, "", run)
expect(text):has("waits for the approval of its plan")
local again = text:match("d_%w+")
expect(again ~= id):is(true)
-- A yes that nobody uses is over after a while.
yes(gw, again)
gw:advance("11m")
expect((lua(gw, key, "", run))):has("waits for the approval of its plan")
expect(#made(up, "delete")):is(0)

test "a paused plan survives a restart"
local gw, key, up = world()
local run, id = planned(gw, key, CLEAN)
gw:restart()
gw:wait_tools(key, 6)
yes(gw, id)
gw:restart()
gw:wait_tools(key, 6)
local text, failed = lua(gw, key, "", run)
expect(failed, text):is(false)
expect(text):has("n=1")
expect(#made(up, "delete")):is(2)

test "a script that fails as a plan is told that it was one, and nothing is asked"
local gw, key, up = world()
local text, failed = lua(gw, key, 'local r = shop.delete{id=1} return r.missing.field')
expect(failed):is(true)
expect(text):has("This was a plan")
expect(text):has('shop.delete{"id":1}')
expect(#gw:ok({ "approve", "--list", "--json" }).json):is(0)
-- pcall hides nothing: it is answered, not refused.
local _, id, listed = planned(gw, key, 'pcall(shop.delete, {id=1}) pcall(call, "shop.delete", {id=2}) return 1')
expect(listed):has("2 calls:")

test "the strictest of several holds, and a team adds its own yes"
local gw, key, up = world("allow: code:run", { more = { "allow: code:run\n    plan: destructive\n    approval: { text: \"first\" }",
	"allow: code:run\n    plan: writes\n    approval: { text: \"second\" }" } })
local run, id, text = planned(gw, key, 'shop.note{text="a"}')
local request = gw:ok({ "approve", "--list", "--json" }).json[1]
expect(request.why):has("first")
expect(request.why):has("second")
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "lua" }).out):has("code:run plan writes -> true")
expect(#made(up, "note")):is(0)
expect(gw:cli({ "policy", "lint" }).err, "none of them is for nothing"):lacks("error:")

test "secrets in arguments are masked where people read the plan, and sent as they are to nobody"
local gw, key, up = world(nil, { more = { "redact: shop/delete\n    args: { pii: { card: mask } }" } })
local run, id = planned(gw, key, 'shop.delete{id=1, why="card 4111 1111 1111 1111"}')
local request = gw:ok({ "approve", "--list", "--json" }).json[1]
expect(request.arguments):has("[masked:card]")
expect(request.arguments):lacks("4111")
yes(gw, id)
local text, failed = lua(gw, key, "", run)
expect(failed, text):is(false)
expect(made(up, "delete")[1].why):has("[masked:card]")

test "what a server says of itself is not asked: without a lock every call is put before people"
local up = mcp_server "shop" { tools = tools() }
local gw = gateway { servers = { shop = up }, policies = rules("allow: shop/*", "allow: code:run\n    plan: destructive"),
	yaml = "pin: off\n" }
local key = gw:dev()
gw:wait_tools(key, 6)
local run, id, text = planned(gw, key, "return shop.list{}")
expect(text):has("1 call:\n  shop.list{}")
expect(#up.calls):is(0)
-- Nor by a script that calls itself a plan.
expect((lua(gw, key, "--plan\nreturn shop.list{}"))):has("plan: 1 call would be made, none was")
expect(#up.calls):is(0)
yes(gw, id)
local failed
text, failed = lua(gw, key, "", run)
expect(failed, text):is(false)
expect(#up.calls):is(1)
-- Made again from its journal it comes to the same end.
expect(gw:ok({ "script", "replay", run }).out):has("same")

test "plan: stands where it means something"
local gw = world()
local file = gw.folder .. "/policies/root/tools.yaml"
local good = read_file(file)
for text, wanted in pairs {
	["  - deny: code:run\n    plan: writes\n    reason: no\n"] = "plan: stands with allow: code:run",
	["  - allow: shop/x\n    plan: writes\n"] = "plan: stands with allow: code:run",
	["  - allow: code:run\n    plan: everything\n"] = "unknown plan \"everything\"",
} do
	sys.write_file(file, good .. text)
	local r = gw:cli { "check" }
	expect(r.code):is(1)
	expect(r.out .. r.err):has(wanted)
end
