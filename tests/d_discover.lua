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
