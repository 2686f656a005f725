-- SPDX-License-Identifier: Apache-2.0
-- What a model reads about tools: the definition of `lua` holds what a team uses, and stays as it is while a session
-- lasts.

-- Sixty tools: they do not all stand in the description of `lua`.
local function desk()
	local tools = {}
	for i = 1, 60 do
		tools[i] = { name = "do_" .. i, description = "Does the thing that has the number " .. i .. " on the list of things to do.",
			inputSchema = { type = "object", properties = { amount = { type = "integer" } } } }
	end
	return mcp_server "desk" { tools = tools }
end

-- A server that does not say what its tools answer.
local function quiet()
	local function text(v) return { content = json.array { { type = "text", text = json.encode(v) } } } end
	return mcp_server "quiet" { tools = {
		{ name = "notes", result = function() return text(json.array { { id = 1, title = "private words" } }) end },
		{ name = "by_mail", result = function() return text { ["ana@acme.test"] = 3, ["bob@acme.test"] = 5 } end },
		{ name = "hidden", inputSchema = { type = "object", properties = { deep = { type = "boolean" } } }, result = function() return text { id = 9, name = "x" } end } } }
end

local RULES = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        core: { users: { ana: {}, bob: {} } }
        web: { users: { cem: {} } }
policy: all
applies_to: "*"
rules:
  - allow: desk/*
  - allow: code:run
]]

local function world()
	return gateway { clock = true, servers = { desk = desk() }, policies = { ["root/all.yaml"] = RULES } }
end

-- The description of `lua` in a session of the client's.
local function lua(gw, key, session)
	local c = gw:mcp(key)
	c.session = session
	for _, t in ipairs(c:definitions()) do
		if t.name == "lua" then return t.description end
	end
end

test "the tools that a team uses stand in the description of lua, in sessions that begin after that"
local gw = world()
local ana, bob, cem = gw:key { name = "a", user = "ana" }, gw:key { name = "b", user = "bob" }, gw:key { name = "c", user = "cem" }
gw:wait_tools(ana, 62)
local before = lua(gw, ana, "one")
expect(before):has("Use `tools` first")
expect(before):lacks("Often used")
local c = gw:mcp(ana)
for _ = 1, 3 do c:call("desk__do_17", { amount = 1 }) end
c:call("desk__do_9", { amount = 1 })
expect(lua(gw, ana, "one"), "the session's own"):is(before)
local after = lua(gw, ana, "two")
expect(after):has("Often used:\ndesk.do_17{amount?:integer}  -- Does the thing that has the number 17")
expect(after:find("desk.do_17", 1, true) < after:find("desk.do_9", 1, true), "the most used first"):is(true)
expect(#after <= 2048):is(true)
-- A team's sessions begin with the same bytes, and another team's with its own.
expect(lua(gw, bob, "three")):is(after)
expect(lua(gw, cem, "four")):lacks("Often used")
-- What a session has got stays when more is used, and after hours.
for i = 1, 12 do c:call("desk__do_" .. i, { amount = 1 }) end
gw:advance("2h")
expect(lua(gw, ana, "two")):is(after)
expect(lua(gw, ana, "five")):has("desk.do_12{")
-- A restart knows from the ledger what was used.
local grown = lua(gw, ana, "six")
gw:restart()
gw:wait_tools(ana, 62)
expect(lua(gw, ana, "seven")):is(grown)

test "a snippet that a team uses stands there as a tool does, after a restart, too"
local gw = gateway { servers = { desk = desk() }, policies = { ["root/all.yaml"] = RULES,
	["root/snippets/tally.lua"] = "-- Tallies the list.\n---@param n integer\nif args.n < 0 then error('x') end\nreturn args.n\n",
	["root/snippets/unused.lua"] = "-- Is not used.\nreturn 1\n" } }
local ana, cem = gw:key { name = "a", user = "ana" }, gw:key { name = "c", user = "cem" }
gw:wait_tools(ana, 62)
local function run(key, code) return gw:mcp(key):call("lua", { code = code }) end
run(ana, "return snippets.tally{n = -1}")
run(ana, "for i = 1, 3 do desk.do_7{amount = i} end")
expect(lua(gw, ana, "one"), "a run that failed counts for nothing"):lacks "snippets.tally"
for i = 1, 5 do run(ana, "return snippets.tally{n = 1}") end
local before = lua(gw, ana, "two")
expect(before):has "Often used:\nsnippets.tally{n:integer}  -- Tallies the list\ndesk.do_7"
expect(before):lacks "unused"
gw:restart()
gw:wait_tools(ana, 62)
expect(lua(gw, ana, "three")):is(before)
expect(lua(gw, cem, "four"), "another team's"):lacks "snippets.tally"

test "what tools answer is learned from scripts, as keys and types, and shown to the team"
local gw = gateway { servers = { quiet = quiet() }, policies = { ["root/all.yaml"] = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        core: { users: { ana: {}, bob: {} } }
        web: { users: { cem: {} } }
policy: all
applies_to: "*"
rules:
  - allow: quiet/*
  - allow: code:run
]], ["root/less.yaml"] = [[
version: 1
policy: less
applies_to: { users: [bob] }
rules:
  - deny: quiet/hidden
    reason: "not for bob"
]] } }
local ana, bob, cem = gw:key { name = "a", user = "ana" }, gw:key { name = "b", user = "bob" }, gw:key { name = "c", user = "cem" }
gw:wait_tools(ana, 5)
local function tools(key, query) return gw:mcp(key):call("tools", { query = query }).content[1].text end
expect(tools(ana, "quiet")):has("quiet.notes{}  -- Does notes")
local r = gw:mcp(ana):call("lua", { code = "quiet.notes{} quiet.by_mail{} quiet.hidden{} return 1" })
expect(r.content[1].text):is("1")
local learned = tools(ana, "quiet")
expect(learned):has("quiet.notes{} -> ~{id:integer, title:string}[]")
expect(learned):has("quiet.by_mail{} -> ~table<string,integer>")
expect(learned):has("quiet.hidden{deep?:boolean} -> ~{id:integer, name:string}")
-- An error shows the line that a search would: before anything runs, at the call, and with a name that is not there.
for _, code in ipairs { "return quiet.hidden{deep=1}", "local a = {deep=1} return quiet.hidden(a)", "return quiet.hiden{}" } do
	local said = gw:mcp(ana):call("lua", { code = code })
	expect(said.isError, code):is(true)
	expect(said.content[1].text, code):has("quiet.hidden{deep?:boolean} -> ~{id:integer, name:string}")
end
-- What stayed out of the context is counted by team, an estimate of four bytes a token.
local kept = gw:client():get("/metrics").body:match('tollgate_run_kept_tokens_estimate_total{team="acme/core"} (%d+)')
expect(tonumber(kept) and tonumber(kept) > 20, "tokens kept away: " .. tostring(kept)):is(true)
-- Another key of the team: of the tools that it sees. Another team: nothing.
expect(tools(bob, "quiet")):has("quiet.notes{} -> ~{id:integer, title:string}[]")
expect(tools(bob, "quiet")):lacks("hidden")
expect(tools(cem, "quiet")):lacks("~")
-- The next process knows.
gw:restart()
gw:wait_tools(ana, 5)
expect(tools(ana, "quiet.notes")):has("quiet.notes{} -> ~{id:integer, title:string}[]")

test "code_mode: the two tools of scripts alone, where that is said, asked for, or saves much"
local function listed(mode, header, n)
	local up = mcp_server "shop" { tools = (function()
		local t = {}
		for i = 1, n do t[i] = "tool_" .. i end
		return t
	end)() }
	local gw = gateway { yaml = mode and ("mcp: { code_mode: " .. mode .. " }\n") or "", servers = { shop = up },
		policies = rules("allow: shop/*", "allow: code:run") }
	local key = gw:dev()
	local c = gw:mcp(key)
	wait_for("the server", function() return not c:call("shop__tool_1", {}).error end)
	-- What is not listed can be called, and reached by scripts where there are any.
	local r = c:call("lua", { code = "return shop.tool_1{}" })
	expect(r.error == nil, "a script runs"):is(mode ~= "off")
	return #gw:client(key):post("/mcp", json.encode { jsonrpc = "2.0", id = 1, method = "tools/list", params = { _meta = {
		["io.modelcontextprotocol/protocolVersion"] = "2026-07-28", ["io.modelcontextprotocol/clientCapabilities"] = json.object and json.object {} or {} } } },
		{ ["mcp-protocol-version"] = "2026-07-28", ["mcp-method"] = "tools/list", ["tollgate-code-mode"] = header }).json.result.tools
end
expect(listed(nil, nil, 20), "auto is the default"):is(2)
expect(listed(nil, "off", 20), "nothing is less than the two"):is(2)
expect(listed(nil, nil, 3)):is(5)
expect(listed(nil, "only", 3)):is(2)
expect(listed("opt-in", nil, 20)):is(22)
expect(listed("opt-in", "only", 20)):is(2)
expect(listed("opt-in", "off", 20)):is(20)
expect(listed("only", "off", 3)):is(2)
expect(listed("auto", nil, 3)):is(5)
expect(listed("auto", nil, 20)):is(2)
expect(listed("off", "only", 3)):is(3)
