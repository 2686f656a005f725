-- SPDX-License-Identifier: Apache-2.0
-- Redaction: what tools are told and what they tell, with secrets and personal data taken out of it.

local GHP = "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"
local CARD, MAIL, IBAN, PHONE = "4111 1111 1111 1111", "ana@example.com", "DE89 3704 0044 0532 0130 00", "+49 30 901820"
local ALL = { GHP, CARD, MAIL, IBAN, PHONE }
local TEXT = table.concat(ALL, ", ")
local MASKED = "[masked:github-token], [masked:card], [masked:email], [masked:iban], [masked:phone]"

local function text(t, more)
	local r = { content = json.array { { type = "text", text = t } } }
	for k, v in pairs(more or {}) do r[k] = v end
	return r
end

local function world(options, ...)
	local up = mcp_server "crm" (options)
	local gw = gateway { servers = { crm = up }, policies = rules(...) }
	local key = gw:dev()
	gw:wait_tools(key, 1)
	return gw, key, up
end

-- Nothing that the gateway keeps or says holds any of them.
local function nowhere(gw, ...)
	gw:stop()
	for _, what in ipairs { ... } do
		expect(gw.process.err):lacks(what)
		expect(json.encode(gw:audit())):lacks(what)
		for _, file in ipairs(sys.list(gw.data) or {}) do
			local bytes = read_file(gw.data .. "/" .. file)
			if bytes then expect(bytes):lacks(what) end
		end
	end
end

local GRANT = 'allow: "crm/*"'
local function redact(side, what) return 'redact: any/*\n    ' .. side .. ': ' .. what end

test "a result comes back masked, wherever in it something stands, and the audit counts it"
local gw, key, up = world({ tools = { { name = "find", result = function()
	return text(TEXT, { structuredContent = { [MAIL] = { card = 4111111111111111, note = json.encode { token = GHP } } } })
end } } }, GRANT, redact("result", "{ all: mask }"))
local r = gw:mcp(key):call("crm__find")
expect(r.content[1].text):is(MASKED)
expect(r.structuredContent["[masked:email]"].card):is("[masked:card]")
expect(json.decode(r.structuredContent["[masked:email]"].note).token):is("[masked:github-token]")
for _, what in ipairs(ALL) do expect(r.raw):lacks(what) end
expect(gw:client():get("/metrics").body):has('tollgate_redacted_total{class="secrets",action="mask"} 2')
expect(gw:client():get("/metrics").body):has('tollgate_redacted_total{class="card",action="mask"} 2')
nowhere(gw, GHP, CARD, MAIL)
local row = gw:audit()
row = row[#row]
expect(row.redacted):same { secrets = 2, card = 2, email = 2, iban = 1, phone = 1 }
expect(row.rule):is("root/tools.yaml:6")

test "arguments are rewritten before they are judged, and go to the server as they were judged"
local gw, key, up = world({ tools = { "send" } }, 'allow: crm/send\n    when: { to: { matches: "^.masked:email.$" } }',
	redact("args", "{ pii: mask }"))
expect(gw:mcp(key):call("crm__send", { to = MAIL, text = "card " .. CARD }).content[1].text):is("send done")
expect(up.calls[1].args):same { to = "[masked:email]", text = "card [masked:card]" }
expect(up.calls[1].raw):lacks(MAIL)
nowhere(gw, MAIL, CARD)

test "what is blocked in arguments never reaches the server; the caller is told what and where"
local gw, key, up = world({ tools = { "send" } }, GRANT, redact("args", "{ secrets: block }"))
local c = gw:mcp(key)
local r = c:call("crm__send", { body = { deep = "see \n" .. GHP } })
expect(r.isError):is(true)
expect(r.content[1].text):has('crm/send: the argument "body" must not hold this: github-token · policy tools:7 (ask #tools)')
expect(r.raw):lacks(GHP)
expect(#up.calls):is(0)
expect(c:call("crm__send", { [GHP] = 1 }).content[1].text):has("the arguments must not hold this: github-token")
expect(c:call("crm__send", { body = "fine" }).content[1].text):is("send done")
nowhere(gw, GHP)
expect(gw:audit()):has { kind = "tool", name = "crm/send", verdict = "not_permitted" }
local rows = gw:audit()
expect(rows[#rows - 1].redacted):same { secrets = 1 }
expect(rows[#rows].redacted):is(nil)

test "a result that may not be seen is withheld, and says so; the call has been made"
local gw, key, up = world({ tools = { { name = "find", result = text(TEXT) } } }, GRANT, redact("result", "{ pii: { card: block } }"))
local r = gw:mcp(key):call("crm__find")
expect(r.isError):is(true)
expect(r.content[1].text):has("the result was withheld: it holds what must not be seen here (card) · policy tools:7 (ask #tools)")
for _, what in ipairs(ALL) do expect(r.raw):lacks(what) end
expect(#up.calls):is(1)
gw:stop()
local rows = gw:audit()
expect(rows[#rows]):has { verdict = "ok", detail = "withheld" }

test "of several rules the strictest holds, for each class; a rule that observes only counts"
local policies = rules(GRANT, redact("result", "{ secrets: hash, pii: { card: mask } }"), 'redact: crm/find\n    result: { secrets: mask, pii: { email: hash } }')
policies["root/soon.yaml"] = 'version: 1\npolicy: soon\nmode: observe\napplies_to: "*"\nrules:\n  - redact: any/*\n    result: { all: block }\n'
local up = mcp_server "crm" { tools = { { name = "find", result = text(TEXT) } } }
local gw = gateway { servers = { crm = up }, policies = policies }
local key = gw:dev()
gw:wait_tools(key, 1)
local said = gw:mcp(key):call("crm__find").content[1].text
expect(said):has("[masked:github-token], [masked:card], [email:")
expect(said):has(IBAN .. ", " .. PHONE)
expect(said):lacks(MAIL)
expect(gw:mcp(key):call("crm__find").content[1].text):is(said) -- equal values, equal hashes
gw:restart()
gw:wait_tools(key, 1)
expect(gw:mcp(key):call("crm__find").content[1].text):is(said)
gw:stop()
local rows = gw:audit()
expect(rows[#rows].redacted):same { secrets = 1, card = 1, email = 1 }
expect(rows[#rows].would_redact):same { iban = 1, phone = 1 }

test "an exception is for whom it names"
local gw, key, up = world({ tools = { { name = "find", result = text(CARD) } } }, GRANT,
	redact("result", "{ pii: mask }") .. "\n    unless: { subject: { keys: [cashier] } }")
expect(gw:mcp(key):call("crm__find").content[1].text):is("[masked:card]")
local cashier = gw:key { name = "cashier", customer = "acme", team = "payments", user = "ana" }
expect(gw:mcp(cashier):call("crm__find").content[1].text):is(CARD)

test "a script sees what its calls are allowed to see, and a view is no way around it"
local up = mcp_server "crm" { tools = { { name = "find", result = text(TEXT) } } }
local gw = gateway { servers = { crm = up }, policies = rules(GRANT, "allow: code:run", redact("result", "{ all: mask }")),
	yaml = 'views:\n  narrow: { tools: ["crm/*"] }\n' }
local key = gw:dev()
gw:wait_tools(key, 3)
local c = gw:mcp(key)
local r = c:call("lua", { code = "local t = crm.find{} return { n = #t, text = t, card = t:find('4111', 1, true) or 'none' }" })
expect(r.raw):has("[masked:card]")
expect(r.raw):has("none")
for _, what in ipairs(ALL) do expect(r.raw):lacks(what) end
local v = mcp_client { port = gw.port, headers = { authorization = "Bearer " .. key.key }, path = "/mcp/v/narrow" }
expect(v:call("crm__find").content[1].text):is(MASKED)
nowhere(gw, GHP, CARD, MAIL)

test "what is said before an answer is masked too, and an answer that comes in pieces"
for _, era in ipairs { "modern", "legacy" } do
	local gw, key = world({ era = era, tools = { { name = "long", progress = 2, says = "at " .. CARD, cut = "BuTSO", result = text(TEXT) } } },
		GRANT, redact("result", "{ all: mask }"))
	local c = gw:mcp(key)
	local r = c:rpc("tools/call", { name = "crm__long", arguments = {}, _meta = { progressToken = "mine" } })
	expect(r.content[1].text):is(MASKED)
	expect(#c.notes):is(2)
	expect(c.notes[1].params.message):is("at [masked:card]")
	expect(c.notes[1].params.progressToken):is("mine")
	nowhere(gw, CARD)
end

test "so is what a server asks, and what it is answered"
for _, era in ipairs { "modern", "legacy" } do
	local gw, key, up = world({ era = era, tools = { { name = "confirm", ask = { "elicitation/create",
		{ message = "Is it " .. CARD .. "?", requestedSchema = { type = "object", properties = {} } } },
		result = function(args) return text(json.encode(args.answer)) end } } },
		GRANT, redact("result", "{ pii: { card: mask } }") .. "\n    args: { pii: { email: mask } }")
	local c = gw:mcp(key)
	c.capabilities = { elicitation = {} }
	local asked = c:rpc("tools/call", { name = "crm__confirm", arguments = {} })
	local name, question = next(asked.inputRequests)
	expect(question.params.message):is("Is it [masked:card]?")
	expect(asked.raw):lacks(CARD)
	local r = c:rpc("tools/call", { name = "crm__confirm", arguments = {}, requestState = asked.requestState,
		inputResponses = { [name] = { action = "accept", content = { mail = MAIL } } } })
	expect(json.decode(r.content[1].text).content.mail):is("[masked:email]")
	expect(up.calls[#up.calls].raw):lacks(MAIL)
	nowhere(gw, CARD, MAIL)
end

test "prompts, resources and a server's own errors are no way around it"
local up = mcp_server "crm" { tools = { { name = "fail", error = { -32001, "no such card: " .. CARD } } }, prompts = { "review" },
	resources = { ["file:///a"] = TEXT } }
local gw = gateway { servers = { crm = up }, policies = rules(GRANT, 'allow: "prompt:crm/*"', 'allow: "resource:crm/*"',
	redact("result", "{ all: mask }"), 'redact: "resource:crm/*"\n    result: { all: mask }', 'redact: "prompt:crm/*"\n    args: { secrets: block }') }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = gw:mcp(key)
expect(c:rpc("resources/read", { uri = "tg+crm+file:///a" }).contents[1].text):is(MASKED)
expect(c:call("crm__fail").error.message):is("no such card: [masked:card]")
local r = c:rpc("prompts/get", { name = "crm__review", arguments = { with = GHP } })
expect(r.error.message):has('the argument "with" must not hold this: github-token')
nowhere(gw, CARD, GHP)

test "a resource that may not be seen is an error that says why"
local up = mcp_server "crm" { tools = { "x" }, resources = { ["file:///a"] = TEXT } }
local gw = gateway { servers = { crm = up }, policies = rules(GRANT, 'allow: "resource:crm/*"',
	'redact: "resource:crm/*"\n    result: { secrets: block }') }
local key = gw:dev()
gw:wait_tools(key, 1)
local r = gw:mcp(key):rpc("resources/read", { uri = "tg+crm+file:///a" })
expect(r.error.message):has("withheld")
expect(r.raw):lacks(GHP)

test "an older client is asked and answers on its stream, and nothing passes there either"
local up = mcp_server "crm" { tools = { { name = "confirm", ask = { "elicitation/create",
	{ message = "Is it " .. CARD .. "?", requestedSchema = { type = "object", properties = {} } } },
	result = function(args) return text(json.encode(args.answer)) end } } }
local gw = gateway { servers = { crm = up }, policies = rules(GRANT, redact("result", "{ pii: { card: mask } }") ..
	"\n    args: { pii: { email: block } }") }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = legacy_client(gw, key, { elicitation = { form = { x = true } } })
local call = c.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "crm__confirm" } }
local asked = call:event().json
expect(asked.params.message):is("Is it [masked:card]?")
expect(c.post({ jsonrpc = "2.0", id = asked.id, result = { action = "accept", content = { mail = MAIL } } }).status):is(202)
local answer = call:event().json
expect(json.decode(answer.result.content[1].text).action):is("cancel") -- what the server was told instead
expect(up.states):same { "state of crm" }
for _, r in ipairs(up.requests) do expect(r.body):lacks(MAIL) end
nowhere(gw, CARD, MAIL)

test "nobody is asked to approve what would be refused, and who is asked reads what will be sent"
local up = mcp_server "crm" { tools = { "send" } }
local gw = gateway { servers = { crm = up }, policies = rules('allow: crm/send\n    approval: { text: "Say yes", via: [cli] }',
	redact("args", "{ secrets: block, pii: { email: mask } }")) }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = gw:mcp(key)
expect(c:call("crm__send", { text = GHP }).content[1].text):has("must not hold this: github-token")
expect(#(gw:ok { "approve", "--list", "--json" }.json or {})):is(0)
local id = c:call("crm__send", { to = MAIL }).content[1].text:match("d_%w+")
expect(gw:ok { "approve", "--list", "--json" }.out):lacks(MAIL)
expect(gw:ok { "approve", "--list", "--json" }.out):has("[masked:email]")
gw:ok { "approve", id }
expect(c:call("crm__send", { to = MAIL }).content[1].text):is("send done")
expect(up.calls[1].args):same { to = "[masked:email]" }
expect(gw:client():get("/metrics").body):has('tollgate_redacted_total{class="email",action="mask"} 2')
nowhere(gw, MAIL, GHP)

test "an older client that refuses what an older server asks: its words are masked too, or withheld"
for how, told in pairs { mask = "no, ask [masked:email]", block = "the answer was withheld" } do
	local up = mcp_server "crm" { era = "legacy", tools = { { name = "confirm", ask = { "elicitation/create",
		{ message = "Is it?", requestedSchema = { type = "object", properties = {} } } },
		result = function() return text "asked" end } } }
	local gw = gateway { servers = { crm = up }, policies = rules(GRANT, redact("args", "{ pii: { email: " .. how .. " } }")) }
	local key = gw:dev()
	gw:wait_tools(key, 1)
	local c = legacy_client(gw, key, { elicitation = { form = { x = true } } })
	local call = c.stream { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "crm__confirm" } }
	local asked = call:event().json
	expect(c.post({ jsonrpc = "2.0", id = asked.id, error = { code = -1, message = "no, ask " .. MAIL } }).status):is(202)
	call:event()
	local seen = 0
	for _, r in ipairs(up.requests) do
		expect(r.body):lacks(MAIL)
		if r.body:find(told, 1, true) then seen = seen + 1 end
	end
	expect(seen):is(1)
	nowhere(gw, MAIL)
end

test "a question whether a call may go ahead that must not be seen: the call has not been made"
local gw, key, up = world({ tools = { { name = "put", result = function() return text "done" end } } },
	GRANT, 'approve: crm/put\n    reason: look', redact("result", "{ pii: { email: block } }"))
local c = gw:mcp(key)
c.capabilities = { elicitation = {} }
local r = c:rpc("tools/call", { name = "crm__put", arguments = { mail = MAIL } })
expect(r.content[1].text):matches("the call itself has not been made")
expect(#up.calls):is(0)
