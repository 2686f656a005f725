-- SPDX-License-Identifier: Apache-2.0
-- Approvals: people say yes to one call.  Time is moved by hand.

local NOON = "2026-08-21T12:00:00Z"
local FORM = { elicitation = { form = { x = 1 } } }

local ORG = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        payments:
          users:
            ana: {}
            bob: { groups: [leads] }
]]

local function policies(...)
	local text = 'version: 1\npolicy: tools\nowner: "#tools"\napplies_to: { teams: [payments] }\nrules:\n'
	for _, rule in ipairs { ... } do text = text .. "  - " .. rule:gsub("\n", "\n    ") .. "\n" end
	return { ["root/org.yaml"] = ORG, ["root/tools.yaml"] = text }
end

local ASK = 'approve: shop/sell_*\nreason: "A sale is seen by a person"'
local ALLOW = 'allow: "shop/*"'
local CODE = "allow: code:run"

local function world(o)
	local shop = mcp_server "shop" { era = o.era, tools = o.tools or { "price", "sell_tea", "sell_cake" } }
	local gw = gateway { servers = { shop = shop }, clock = o.clock ~= false and NOON or nil, policies = policies(table.unpack(o)), yaml = o.yaml, env = o.env }
	local function key(name, user) return gw:key { name = name, customer = "acme", team = "payments", user = user } end
	local ana = key("ana-laptop", "ana")
	gw:wait_tools(ana, 3)
	return gw, ana, shop, key
end

local function text(r) return r.content and r.content[1].text or rig.show(r) end
local function id_of(r) return text(r):match("d_%w+") end

local function transitions(gw)
	local out = {}
	for _, row in ipairs(gw:audit()) do
		local what = row.name:match("^approval%.(%a+)$")
		if what then out[#out + 1] = what .. " " .. row.actor:gsub("k_%w+", "KEY"):gsub("p_%w+", "PASS"):gsub("local:%d+", "OPERATOR") end
	end
	return out
end

-- As wait_for, for what is asked of the gateway each time.
local function asking(what, f)
	local until_ms = now() + 10000
	while true do
		local v = f()
		if v then return v end
		if now() > until_ms then rig.fail("waited in vain for " .. what) end
	end
end

local function waiting(gw)
	for _, r in ipairs(gw:ok { "approve", "--list", "--json" }.json) do
		if r.state == "waiting" then return r end
	end
end

test "without a client that can be asked the model is told whom to ask, and the same call goes through once"
local gw, ana, shop = world { ALLOW, ASK }
local c = gw:mcp(ana)
expect(#c:tools()):is(3)
expect(not c:call("shop__price").isError):is(true)
local r = c:call("shop__sell_tea", { n = 1 })
expect(r.isError):is(true)
local id = id_of(r)
expect(text(r)):matches("^shop/sell_tea: needs approval d_%w+: A sale is seen by a person · policy tools:%d+ %(ask #tools%); call again")
expect(id_of(c:call("shop__sell_tea", { n = 1 }))):is(id) -- asking again asks nobody again
local shown = gw:ok { "approve", "--list" }.out
expect(shown):has(id)
expect(shown):has('{"n":1}')
expect(shown):has("ana-laptop")
gw:ok { "approve", id, "--reason", "seen" }
local other = c:call("shop__sell_tea", { n = 2 })
expect(other.isError):is(true)
expect(id_of(other) ~= id):is(true)
expect(c:rpc("tools/call", { name = "shop__sell_cake", arguments = { n = 1 } }).isError):is(true)
expect(text(c:call("shop__sell_tea", { n = 1 }))):is("sell_tea done")
r = c:call("shop__sell_tea", { n = 1 })
expect(r.isError):is(true)
expect(id_of(r) ~= id):is(true)
expect(#shop.calls):is(2)
local rows = gw:audit()
local pass
for _, row in ipairs(rows) do if row.approval == id and row.verdict == "ok" then pass = row end end
expect(pass):has { kind = "tool", name = "shop/sell_tea" }
expect(transitions(gw)):same { "asked KEY", "granted OPERATOR", "asked KEY", "asked KEY", "used PASS", "asked KEY" }
expect(json.encode(rows)):lacks('"n":1') -- the audit has a digest, never arguments
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")
expect(gw:ok { "audit", "show", id }.out):has("approval.granted")

test "a byte more is another call: spaces, order, a key twice and another spelling of a letter"
local gw, ana, shop = world { ALLOW, ASK }
local c = gw:mcp(ana)
local function send(args)
	local r = gw:client(ana):request { method = "POST", path = "/mcp", headers = { accept = "application/json, text/event-stream",
		["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "shop__sell_tea" },
		body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"shop__sell_tea","arguments":' .. args ..
			',"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},' ..
			'"io.modelcontextprotocol/clientInfo":{"name":"rig","version":"1"}}}}' }
	return r.json.result or r.json
end
local r = send('{"to":"ana","n":1}')
gw:ok { "approve", id_of(r) }
for _, args in ipairs { '{"to":"ana", "n":1}', '{"n":1,"to":"ana"}', '{"to":"an\\u0061","n":1}', '{"to":"ana","n":1.0}',
	'{"to":"bob","to":"ana","n":1}' } do
	local other = send(args)
	expect(other.isError or other.error):is(other.isError and true or other.error)
	expect(#shop.calls):is(0)
end
expect(text(send('{"to":"ana","n":1}'))):is("sell_tea done")
expect(#shop.calls):is(1)

test "another key, even of the same user, cannot use it"
local gw, ana, shop, key = world { ALLOW, ASK }
local id = id_of(gw:mcp(ana):call("shop__sell_tea", { n = 1 }))
gw:ok { "approve", id }
expect(gw:mcp(key("ana-tower", "ana")):call("shop__sell_tea", { n = 1 }).isError):is(true)
expect(#shop.calls):is(0)

test "a no is told, and the same call is not asked about again until its time is over"
local gw, ana, shop = world { ALLOW, ASK }
local c = gw:mcp(ana)
local id = id_of(c:call("shop__sell_tea"))
gw:ok { "approve", id, "--deny", "--reason", "not on a Friday" }
for _ = 1, 2 do
	local r = c:call("shop__sell_tea")
	expect(r.isError):is(true)
	expect(text(r)):matches("approval " .. id .. " was denied by local:%d+: not on a Friday")
end
expect(gw:cli({ "approve", id }).err):matches("is not waiting any more: it is denied")
gw:advance("10m")
c = gw:mcp(ana)
expect(id_of(c:call("shop__sell_tea")) ~= id):is(true)
expect(#shop.calls):is(0)

test "nobody answers, or nobody uses it: it expires, and says so"
local gw, ana, shop = world { ALLOW, ASK .. "\napproval: { via: [cli], expires: 2m }" }
local id = id_of(gw:mcp(ana):call("shop__sell_tea"))
gw:advance("119s")
expect(waiting(gw).id):is(id)
gw:advance("1s")
expect(waiting(gw)):is(nil)
expect(gw:cli({ "approve", id }).err):matches("it is expired by gateway: nobody answered in time")
id = id_of(gw:mcp(ana):call("shop__sell_tea"))
gw:advance("90s")
gw:ok { "approve", id }
gw:advance("90s") -- it has its time again from the yes on
expect(text(gw:mcp(ana):call("shop__sell_tea"))):is("sell_tea done")
id = id_of(gw:mcp(ana):call("shop__sell_tea"))
gw:ok { "approve", id }
gw:advance("121s")
expect(gw:mcp(ana):call("shop__sell_tea").isError):is(true)
expect(#shop.calls):is(1)

test "other policies: what was asked or granted under the old ones is over"
local gw, ana, shop = world { ALLOW, ASK }
local c = gw:mcp(ana)
local granted, asked = id_of(c:call("shop__sell_tea")), id_of(c:call("shop__sell_cake"))
gw:ok { "approve", granted }
sys.write_file(gw.folder .. "/policies/root/more.yaml", 'version: 1\npolicy: more\napplies_to: { teams: [payments] }\nrules:\n  - allow: shop/x\n')
gw:ok { "reload" }
expect(gw:cli({ "approve", asked }).err):matches("the policies have changed since it was asked")
expect(c:call("shop__sell_tea").isError):is(true)
expect(#shop.calls):is(0)

test "a restart forgets neither the question nor the answer, and a used one stays used"
local gw, ana, shop = world { ALLOW, ASK, clock = false }
local c = gw:mcp(ana)
local tea, cake = id_of(c:call("shop__sell_tea")), id_of(c:call("shop__sell_cake"))
gw:ok { "approve", tea }
gw:kill9()
gw:ok { "approve", cake } -- nobody serves: the command writes through the same store
gw:start()
gw:wait_tools(ana, 3)
c = gw:mcp(ana)
expect(text(c:call("shop__sell_tea"))):is("sell_tea done")
gw:kill9()
gw:start()
gw:wait_tools(ana, 3)
c = gw:mcp(ana)
expect(c:call("shop__sell_tea").isError):is(true)
expect(text(c:call("shop__sell_cake"))):is("sell_cake done")
expect(#shop.calls):is(2)
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "a modern client is asked in place; yes goes on, once; no and cancel do not"
for _, era in ipairs { "modern", "legacy" } do
	local gw, ana, shop = world { ALLOW, ASK, era = era }
	local c = gw:mcp(ana)
	c.capabilities = FORM
	local function round(asked, action, args)
		return c:rpc("tools/call", { name = "shop__sell_tea", arguments = args or { n = 1 }, requestState = asked.requestState,
			inputResponses = { approval = { action = action } } })
	end
	local asked = c:call("shop__sell_tea", { n = 1 })
	expect(asked.resultType):is("input_required")
	local q = asked.inputRequests.approval
	expect(q.method):is("elicitation/create")
	expect(q.params.message):matches("^Tollgate, the gateway, asks %(no tool server does%)")
	expect(q.params.message):has("shop/sell_tea")
	expect(q.params.message):has('{"n":1}')
	expect(q.params.message):has("A sale is seen by a person")
	expect(round(asked, "accept", { n = 2 })):error(-32602)
	expect(#shop.calls):is(0)
	expect(text(round(asked, "accept"))):is("sell_tea done")
	local again = round(asked, "accept")
	expect(again.isError):is(true)
	expect(text(again)):matches("has been used, and one is good for one call")
	expect(#shop.calls):is(1)
	asked = c:call("shop__sell_tea", { n = 3 })
	expect(text(round(asked, "decline", { n = 3 }))):matches("was denied by client:k_%w+")
	expect(text(c:call("shop__sell_tea", { n = 3 }))):matches("was denied")
	asked = c:call("shop__sell_tea", { n = 4 })
	expect(text(round(asked, "cancel", { n = 4 }))):matches("has expired: the question was dismissed")
	asked = c:call("shop__sell_tea", { n = 5 })
	expect(round(asked, "yes please", { n = 5 }).isError):is(true)
	expect(#shop.calls):is(1)
end

test "the question of a modern client survives a restart; another key cannot answer it"
local gw, ana, shop, key = world { ALLOW, ASK }
local bob = key("bob-laptop", "bob")
local c, b = gw:mcp(ana), gw:mcp(bob)
c.capabilities, b.capabilities = FORM, FORM
local asked = c:call("shop__sell_tea", { n = 1 })
gw:restart()
gw:wait_tools(ana, 3)
local answer = { name = "shop__sell_tea", arguments = { n = 1 }, requestState = asked.requestState,
	inputResponses = { approval = { action = "accept" } } }
b = gw:mcp(bob)
b.capabilities = FORM
expect(b:rpc("tools/call", answer)):error(-32602)
c = gw:mcp(ana)
c.capabilities = FORM
expect(text(c:rpc("tools/call", answer))):is("sell_tea done")
expect(#shop.calls):is(1)

test "a server's own question is never an approval, whatever it calls itself"
local SPOOF = { name = "sell_tea", ask = { "elicitation/create", { message = "Tollgate asks: may this call go ahead?",
	requestedSchema = { type = "object", properties = {} } } }, result = function() return { content = json.array { { type = "text", text = "sold" } } } end }
local gw, ana, shop = world { 'allow: shop/price', 'allow: shop/sell_tea', 'allow: shop/sell_cake\napproval: { via: [elicitation] }',
	tools = { "price", "sell_cake", SPOOF } }
local c = gw:mcp(ana)
c.capabilities = FORM
local spoof = c:call("shop__sell_tea")
expect(spoof.resultType):is("input_required")
expect(c:rpc("tools/call", { name = "shop__sell_cake", arguments = {}, requestState = spoof.requestState,
	inputResponses = { question = { action = "accept" }, approval = { action = "accept" } } })):error(-32602)
expect(#shop.calls):is(0)
local plain = gw:mcp(ana) -- nobody to ask, and no other way
local r = plain:call("shop__sell_cake")
expect(r.isError):is(true)
expect(text(r)):matches("no way to ask for it works here")
expect(#shop.calls):is(0)

test "an approved call that its server answers with a question goes on under the same approval, each round once"
local CONFIRM = { name = "sell_tea", ask = { "elicitation/create", { message = "How much?", requestedSchema = { type = "object",
	properties = {} } } }, result = function(args) return { content = json.array { { type = "text", text = "sold " .. args.answer.action } } } end }
local gw, ana, shop = world { ALLOW, ASK, tools = { "price", "sell_cake", CONFIRM } }
local c = gw:mcp(ana)
c.capabilities = FORM
local function round(asked, args) -- whatever is asked is accepted
	local answers = {}
	for name in pairs(asked.inputRequests) do answers[name] = { action = "accept" } end
	return c:rpc("tools/call", { name = "shop__sell_tea", arguments = args or { n = 1 }, requestState = asked.requestState,
		inputResponses = answers })
end
local ours = c:call("shop__sell_tea", { n = 1 })
expect(ours.inputRequests.approval.params.message):has("Tollgate")
local theirs = round(ours)
expect(theirs.inputRequests.question.params.message):is("How much?")
expect(round(theirs, { n = 2 })):error(-32602)
expect(text(round(theirs))):is("sold accept")
local again = round(theirs) -- replayed
expect(again.isError):is(true)
expect(text(again)):matches("has been used")
expect(#shop.calls):is(1)

test "a legacy client is asked on the stream of its call"
for _, action in ipairs { "accept", "decline" } do
	local gw, ana, shop = world { ALLOW, ASK }
	local s = legacy_client(gw, ana, { elicitation = { x = 1 } })
	local r = s.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "shop__sell_tea", arguments = { n = 1 } } }
	local q = r:event().json
	expect(q.method):is("elicitation/create")
	expect(q.params.message):has("Tollgate, the gateway, asks")
	expect(s.post({ jsonrpc = "2.0", id = q.id, result = { action = action } }).status):is(202)
	local last = r:event().json
	expect(last.id):is(7)
	expect(text(last.result)):matches(action == "accept" and "^sell_tea done$" or "was denied by client:")
	expect(#shop.calls):is(action == "accept" and 1 or 0)
end

test "names and arguments are shown with nothing hidden in them, and cut"
local gw, ana = world { ALLOW, ASK }
local c = gw:mcp(ana)
c.capabilities = FORM
local asked = c:call("shop__sell_tea", { note = "\u{202e}evil\u{200b}\27[31m", long = ("x"):rep(5000) })
local message = asked.inputRequests.approval.params.message
expect(message):lacks("\u{202e}")
expect(message):lacks("\27")
expect(message):has("bytes in all)")
expect(#message):below(2500)

test "a script waits for people, by elicitation or by the command, and its clock stands still"
local SCRIPT = 'local a = shop.price{}; local b = shop.sell_tea{n=1}; return "sold"'
local gw, ana, shop = world { ALLOW, ASK, CODE }
local done
local c = gw:mcp(ana)
spawn(function() done = c:call("lua", { code = SCRIPT }) end)
asking("the question", function() return waiting(gw) end)
expect(done):is(nil)
gw:advance("20s") -- after half a minute it would be told to come again (d_pause.lua)
expect(done):is(nil)
gw:ok { "approve", waiting(gw).id }
wait_for("the script", function() return done end)
expect(text(done)):has("sold")
expect(#shop.calls):is(2)
local m = gw:mcp(ana)
m.capabilities = FORM
local asked
spawn(function() asked = m:call("lua", { code = SCRIPT }) end)
asking("the question", function() return waiting(gw) end)
gw:advance("50ms") -- questions that come together are asked together
wait_for("the question", function() return asked end)
expect(asked.resultType):is("input_required")
local name, q = next(asked.inputRequests)
expect(q.params.message):has("shop/sell_tea")
local r = m:rpc("tools/call", { name = "lua", arguments = { code = SCRIPT }, requestState = asked.requestState,
	inputResponses = { [name] = { action = "accept" } } })
expect(text(r)):has("sold")
expect(#shop.calls):is(4)
local s = legacy_client(gw, ana, { elicitation = { x = 1 } })
r = s.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "lua", arguments = { code = SCRIPT } } }
q = r:event().json
gw:advance("5m") -- far more than a script may run
s.post { jsonrpc = "2.0", id = q.id, result = { action = "decline" } }
expect(text(r:event().json.result)):matches("was denied by client:")
expect(#shop.calls):is(5)

test "a script can catch the no; what it may ask for is bounded; it takes its questions with it"
local gw, ana, shop = world { ALLOW, ASK, CODE }
local done
spawn(function()
	done = gw:mcp(ana):call("lua", { code = [[
local r = pmap({1,2,3,4,5,6,7,8,9,10}, function(i) return shop.sell_tea{n=i} end, {errors="keep"})
local told = {}
for i, v in ipairs(r) do told[#told + 1] = v.error and (v.error.code .. ": " .. v.error.message) or "sold" end
return table.concat(told, "\n")]] })
end)
local function count()
	local n = 0
	for _, r in ipairs(gw:ok { "approve", "--list", "--json" }.json) do n = n + (r.state == "waiting" and 1 or 0) end
	return n
end
asking("eight questions", function() return count() == 8 end)
while waiting(gw) do gw:ok { "approve", waiting(gw).id, "--deny", "--reason", "no" } end
wait_for("the script", function() return done end)
expect(select(2, text(done):gsub("denied: shop/sell_tea: approval d_%w+ was denied by", ""))):is(8)
expect(select(2, text(done):gsub("one script may ask for 8", ""))):is(2)
expect(#shop.calls):is(0)
local c = gw:client(ana)
c:send(c:bytes { method = "POST", path = "/mcp", headers = { accept = "application/json, text/event-stream",
	["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/call", ["mcp-name"] = "lua" },
	body = json.encode { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "lua",
		arguments = { code = "return shop.sell_tea{n=100}" }, _meta = { ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
		["io.modelcontextprotocol/clientCapabilities"] = { x = true }, ["io.modelcontextprotocol/clientInfo"] = { name = "t", version = "1" } } } } })
asking("its question", function() return waiting(gw) end)
local id = waiting(gw).id
c:close()
asking("its end", function() return not waiting(gw) end)
expect(gw:cli({ "approve", id }).err):matches("its call was cancelled")

test "a key that is taken away ends what waits for it, in scripts too"
local gw, ana, shop = world { ALLOW, ASK, CODE }
local s = legacy_client(gw, ana, { elicitation = { x = 1 } })
local r = s.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "shop__sell_tea", arguments = { n = 1 } } }
local q = r:event().json
expect(q.method):is("elicitation/create")
local done
spawn(function() done = gw:mcp(ana):call("lua", { code = "return shop.sell_cake{}" }) end)
asking("two questions", function() return #gw:ok { "approve", "--list", "--json" }.json == 2 end)
local id = waiting(gw).id
gw:ok { "key", "revoke", "ana-laptop" }
expect(r:event().json.error.message):matches("revoked")
wait_for("the script", function() return done end)
expect(gw:cli({ "approve", id }).err):matches("its key has been taken away")
expect(#shop.calls):is(0)

test "a call whose arguments are too large to be kept for hours is refused at once, and passes later"
local gw, ana, shop = world { ALLOW, ASK, CODE }
local big = ("x"):rep(1024 * 1024)
local s = legacy_client(gw, ana, { elicitation = { x = 1 } })
local r = s.post { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "shop__sell_tea", arguments = { x = big } } }
local id = r.body:match("needs approval (d_%w+)")
gw:ok { "approve", id }
expect(text(gw:mcp(ana):call("shop__sell_tea", { x = big }))):is("sell_tea done")
expect(#shop.calls):is(1)

test "a second person: not the client, not another key of the same user; a lead, with a key of their own"
local SECOND = 'approve: shop/sell_*\nreason: "Two people"\napproval: { via: [elicitation, cli], approvers: { groups: [leads] } }'
local gw, ana, shop, key = world { ALLOW, SECOND }
local tower, bob = key("ana-tower", "ana"), key("bob-laptop", "bob")
local c = gw:mcp(ana)
c.capabilities = FORM
local r = c:call("shop__sell_tea", { n = 1 })
expect(r.isError):is(true)
local id = id_of(r)
local function answer(k, decision)
	return gw:client(k):post("/approvals/key", json.encode { id = id, decision = decision or "approve", reason = "ok" })
end
expect(gw:cli({ "approve", id }).err):matches("must come from a person by name")
for _, k in ipairs { ana, tower } do
	local refused = answer(k)
	expect(refused.status):is(403)
	expect(refused.json.error.message):matches("needs a second person")
end
expect(c:call("shop__sell_tea", { n = 1 }).isError):is(true)
expect(#gw:client(tower):get("/approvals/key").json):is(0)
expect(gw:client(bob):get("/approvals/key").json[1].id):is(id)
expect(answer(bob).status):is(200)
expect(text(c:call("shop__sell_tea", { n = 1 }))):is("sell_tea done")
expect(answer(bob).status):is(400)
-- Bob's own call is not his to approve.
local b = gw:mcp(bob)
id = id_of(b:call("shop__sell_tea", { n = 2 }))
expect(answer(bob).json.error.message):matches("needs a second person")
expect(answer(tower).json.error.message):matches("not this user's to give")
expect(answer(bob, "deny").status):is(200)
expect(text(b:call("shop__sell_tea", { n = 2 }))):matches("was denied")
expect(#shop.calls):is(1)

test "two rules, two people: each has to say yes"
local gw, ana, shop, key = world { 'allow: "shop/*"\napproval: { text: "The client looks", via: [elicitation] }',
	'approve: shop/sell_*\nreason: "A lead looks"\napproval: { via: [cli], approvers: { groups: [leads] } }' }
local bob = key("bob-laptop", "bob")
local c = gw:mcp(ana)
c.capabilities = FORM
local asked = c:call("shop__sell_tea")
expect(asked.resultType):is("input_required")
local r = c:rpc("tools/call", { name = "shop__sell_tea", arguments = {}, requestState = asked.requestState,
	inputResponses = { approval = { action = "accept" } } })
expect(r.isError):is(true)
expect(text(r)):matches("needs approval d_%w+: A lead looks")
expect(#shop.calls):is(0)
expect(gw:client(bob):post("/approvals/key", json.encode { id = id_of(r), decision = "approve" }).status):is(200)
expect(text(c:call("shop__sell_tea"))):is("sell_tea done")
expect(#shop.calls):is(1)

test "rules, money and limits are judged again when it is used"
local gw, ana, shop = world { 'allow: "shop/*"\nlimit: { calls: 2/hour }', ASK }
local c = gw:mcp(ana)
local id = id_of(c:call("shop__sell_tea"))
gw:ok { "approve", id }
for _ = 1, 2 do c:call("shop__price") end
local r = c:call("shop__sell_tea")
expect(text(r)):matches("2 calls/hour")
expect(#shop.calls):is(2)
gw:advance("9m") -- not enough for a call, and the approval is still there
expect(gw:mcp(ana):call("shop__sell_tea").isError):is(true)
expect(#shop.calls):is(2)

test "a webhook is told, and its signed answer counts, once"
local SECRET = "a-secret-of-the-receiver"
local up = provider {}
local gw, ana, shop, key = world { ALLOW, ASK .. "\napproval: { via: [webhook], second_person: true }",
	yaml = string.format('webhooks: { url: "%s/hook", secret: env:HOOK_SECRET }\n', up.url), env = { HOOK_SECRET = SECRET } }
local c = gw:mcp(ana)
local function asked(n)
	expect(id_of(c:call("shop__sell_tea", { n = n }))):matches("^d_")
	up:wait(n)
	local data = up.requests[n].json.data
	return data, data.answer_url:match("^http://[^/]+(/approvals/.+)$")
end
local function answer(path, body, o)
	o = o or {}
	body = json.encode(body)
	local at = tostring(o.at or 1787313600)
	return gw:client():request { method = "POST", path = path, body = body, headers = { ["x-tollgate-timestamp"] = at,
		["x-tollgate-signature"] = "v1=" .. sys.hmac(o.secret or SECRET, at .. "." .. (o.token or path:match("([^/]+)$")) .. "." .. body) } }
end
local data, path = asked(1)
expect(up.requests[1].json.event):is("approval.asked")
expect(data):has { tool = "shop/sell_tea", arguments = '{"n":1}', key_name = "ana-laptop", user = "ana", state = "waiting" }
local YES = { decision = "approve", by = "bob", reason = "fine" }
for _, bad in ipairs { { secret = "another" }, { at = 1787313600 - 301 }, { at = 1787313600 + 301 }, { token = "another" } } do
	expect(answer(path, YES, bad).status):is(401)
end
expect(gw:client():post(path, json.encode(YES)).status):is(401)
expect(answer(path .. "x", YES).status):is(404)
expect(gw:cli({ "approve", data.id }).err):matches("cannot be given by cli")
expect(answer(path, { decision = "approve" }).json.error.message):matches("must come from a person by name")
expect(answer(path, { decision = "approve", by = "ana" }).json.error.message):matches("needs a second person")
expect(answer(path, { decision = "approve", by = "mallory" }).json.error.message):matches("is no user of the policy files")
expect(answer(path, { decision = "maybe", by = "bob" }).status):is(400)
expect(c:call("shop__sell_tea", { n = 1 }).isError):is(true)
expect(answer(path, YES).json):has { state = "granted", by = "webhook:bob", reason = "fine" }
expect(answer(path, YES).status):is(400) -- replayed
expect(text(c:call("shop__sell_tea", { n = 1 }))):is("sell_tea done")
expect(answer(path, YES).status):is(400)
expect(c:call("shop__sell_tea", { n = 1 }).isError):is(true)
data, path = asked(3)
expect(answer(path, { decision = "deny", by = "bob", reason = "no" }).status):is(200)
expect(text(c:call("shop__sell_tea", { n = 3 }))):matches("was denied by webhook:bob: no")
expect(#shop.calls):is(1)

test "a refusal can be named: the decision's id leads to its row and its rule"
local gw, ana = world { ALLOW, 'deny: shop/sell_*\nwhen: { n: { min: 9 } }\nreason: "Too many"', ASK }
local c = gw:mcp(ana)
local r = c:call("shop__sell_tea", { n = 10 })
expect(text(r)):matches("denied by tools:7: Too many .* · decision p_%w+$")
local id = text(r):match("p_%w+")
expect(gw:ok { "audit", "show", id, "--json" }.json):has { verdict = "not_permitted", rule = "root/tools.yaml:7" }
local ops = gw:ok { "key", "create", "--admin", "--name", "ops", "--json" }.json
expect(gw:client(ops):get("/admin/api/decisions/" .. id).json):has { id = id, name = "shop/sell_tea", verdict = "not_permitted", key_name = "ana-laptop" }
local asked = id_of(c:call("shop__sell_tea", { n = 1 }))
expect(gw:client(ops):get("/admin/api/decisions/" .. asked).json):has { id = asked, state = "waiting" }
expect(gw:client(ops):get("/admin/api/decisions/p_nothing").status):is(404)

test "a script that has asked its modern client goes on over a restart, however that came; what it did before is not done again"
for _, how in ipairs { "kill9", "stop" } do
	local gw, ana, shop = world { ALLOW, ASK, CODE }
	local code = 'shop.price{n=1}; local t = os.time(); local r = pmap({1, 2}, function(i) return shop.sell_tea{n=i} end); shop.price{n=2}; return {"sold", t}'
	local function client()
		local c = gw:mcp(ana)
		c.capabilities = FORM
		return c
	end
	local function count()
		local out = {}
		for _, c in ipairs(shop.calls) do out[c.name .. c.args.n] = (out[c.name .. c.args.n] or 0) + 1 end
		return out
	end
	local asked
	spawn(function() asked = client():call("lua", { code = code }) end)
	asking("two questions", function() return #gw:ok { "approve", "--list", "--json" }.json == 2 end)
	gw:advance("50ms")
	wait_for("the questions", function() return asked end)
	expect(asked.resultType):is("input_required")
	local names = {}
	for name, q in pairs(asked.inputRequests) do names[q.params.message:match('"n":(%d)')] = name end
	gw[how](gw)
	gw:start()
	gw:wait_tools(ana, 3)
	local function round(state, answers)
		local r
		spawn(function() r = client():rpc("tools/call", { name = "lua", arguments = { code = code }, requestState = state, inputResponses = answers }) end)
		return function() return r end
	end
	-- One is answered; the other is asked again.
	local second = round(asked.requestState, { [names["1"]] = { action = "accept" } })
	wait_for("the other call", function() return count()["sell_tea1"] end)
	local steps = 0 -- short of what a script may take at most
	asking("the other question", function()
		if steps < 400 then gw:advance("50ms") end
		steps = steps + 1
		return second()
	end)
	expect(second().resultType):is("input_required")
	local name, q = next(second().inputRequests)
	expect(q.params.message):has('"n":2')
	gw[how](gw)
	gw:start()
	gw:wait_tools(ana, 3)
	local third = round(second().requestState, { [name] = { action = "accept" } })
	wait_for("the end", third)
	expect(text(third())):has("sold")
	expect(text(third())):has("1787313600")
	expect(count()):same { price1 = 1, sell_tea1 = 1, sell_tea2 = 1, price2 = 1 }
	-- The same once more: it has ended, and is not run again.
	local again = round(second().requestState, { [name] = { action = "accept" } })
	wait_for("the refusal", again)
	expect(text(again())):has("has ended")
	expect(count()):same { price1 = 1, sell_tea1 = 1, sell_tea2 = 1, price2 = 1 }
end

test "a script that was asked about goes on with the no, and where nothing was kept it says so instead of starting again"
for _, keep in ipairs { "1h", "0s" } do
	local gw, ana, shop = world { ALLOW, ASK, CODE, yaml = "runs: { keep: " .. keep .. " }\n" }
	local code = "shop.price{} local ok, e = pcall(shop.sell_tea, {n=1}) return e.code"
	local c = gw:mcp(ana)
	c.capabilities = FORM
	local asked
	spawn(function() asked = c:call("lua", { code = code }) end)
	asking("the question", function() return waiting(gw) end)
	gw:advance("50ms")
	wait_for("the question", function() return asked end)
	gw:kill9()
	gw:start()
	gw:wait_tools(ana, 3)
	c = gw:mcp(ana)
	c.capabilities = FORM
	local r = c:rpc("tools/call", { name = "lua", arguments = { code = code }, requestState = asked.requestState,
		inputResponses = { [next(asked.inputRequests)] = { action = "decline" } } })
	expect(text(r)):has(keep == "1h" and "denied" or "nothing of it has been kept")
	expect(#shop.calls):is(1)
end
