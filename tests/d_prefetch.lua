-- SPDX-License-Identifier: Apache-2.0
-- A model that has `lua` is told the signatures that its task speaks of, on the way to it; nothing else of the
-- request changes.

local function tool(name, description, properties)
	local p = {}
	for _, k in ipairs(properties or {}) do p[k] = { type = "string" } end
	return { name = name, description = description, inputSchema = { type = "object", properties = p } }
end

-- Sixty tools, so that they do not all stand in the description of `lua`.
local function tracker()
	local tools = { tool("create_issue", "Opens a new issue in a repository.", { "title", "body" }),
		tool("merge_branch", "Merges a branch into another one.", { "branch" }),
		tool("delete_everything", "Deletes a repository with all its issues.", { "repository" }) }
	for i = 1, 57 do
		tools[#tools + 1] = tool("weather_station_" .. i, "Reads the thermometer and the barometer of weather station number "
			.. i .. ", on the roof.", { "celsius", "hours" })
	end
	return mcp_server "tracker" { tools = tools }
end

local RULES = [[
version: 1
organisation: { customers: { acme: { teams: { core: { users: { ana: {} } } } } } }
policy: all
applies_to: "*"
rules:
  - allow: "model:*"
  - allow: tracker/*
  - deny: tracker/delete_everything
    reason: "nobody deletes repositories"
]]

-- `lua` as it is listed once the server is there.
local function definition(gw, key)
	local c = gw:mcp(key)
	for _ = 1, 400 do
		local there, lua = false, nil
		for _, t in ipairs(c:definitions()) do
			if t.name == "tools" then there = t.description:find("tracker", 1, true) end
			if t.name == "lua" then lua = t end
		end
		if there then return lua end
		rig.wait_either(gw.process.pidfd, function() return true end)
	end
	rig.fail("the server's tools never came\n" .. gw.process.err)
end

local function world(o)
	local up = provider { body = '{"content":[],"usage":{"input_tokens":5,"output_tokens":1}}' }
	local gw = gateway { servers = { tracker = o.server or tracker() }, policies = { ["root/all.yaml"] = RULES .. (o.rules or "  - allow: code:run\n") },
		yaml = 'providers:\n  anthropic: { kind: anthropic, url: "' .. up.url .. '", key: env:RIG_PROVIDER_KEY' ..
			(o.setting or ", prefetch: true") .. ' }\nmodels:\n  claude-sonnet-4-6: { provider: anthropic }\naliases: { sonnet: claude-sonnet-4-6 }\n' }
	local key = gw:key { name = "laptop", user = "ana" }
	local lua
	if not o.rules then
		lua = definition(gw, key)
	end
	return gw, up, gw:client(key), lua and
		'{"name":"mcp__gate__lua","description":' .. json.encode(lua.description) .. ',"input_schema":{"type":"object"}}' or
		'{"name":"mcp__gate__lua","description":"Run a Lua 5.4 script that calls tools.","input_schema":{"type":"object"}}'
end

local function body(tools, content, more)
	return '{"model":"' .. (more or "claude-sonnet-4-6") .. '","max_tokens":100,"tools":[' .. tools ..
		'],"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},{"role":"user","content":' .. content .. '}]}'
end

local function ask(c, up, text)
	expect(c:post("/anthropic/v1/messages", text).status):is(200)
	return up.requests[#up.requests].body
end

test "the signatures that fit stand behind the task, and every byte before them is the client's"
local gw, up, c, lua = world {}
local blocks = '[{"type":"text","text":"Open an issue about the broken  login page","cache_control":{"type":"ephemeral"}}]'
local asked = body(lua, blocks)
local got = ask(c, up, asked)
local at = asked:find('}]}]}', 1, true)
expect(got:sub(1, at)):is(asked:sub(1, at))
expect(got:sub(at + 1)):has('tracker.create_issue{')
expect(got:sub(at + 1)):lacks("weather")
expect(got:sub(at + 1)):lacks("delete_everything") -- what the key may not use is not told
expect(json.decode(got).messages[3].content[2].type):is("text")
expect(#json.decode(got).messages[3].content):is(2)
gw:stop()
for _, row in ipairs(gw:audit()) do
	if row.kind == "model" then
		expect(row.prefetched):is(1)
		expect(row.bytes_in):is(#got)
	end
end

test "a task that is a plain string becomes a list of two blocks, under an alias too"
local gw, up, c, lua = world {}
local got = json.decode(ask(c, up, body(lua, [["Please \"merge\" the branch caf\u00e9"]], "sonnet")))
expect(got.model):is("claude-sonnet-4-6")
expect(got.messages[3].content[1].text):is('Please "merge" the branch café')
expect(got.messages[3].content[2].text):has("tracker.merge_branch{branch")
expect(got.messages[1].content):is("hello")

test "nothing is added while a task is under way, without `lua`, for other words, or where it is not switched on"
local gw, up, c, lua = world {}
local issue = '[{"type":"text","text":"open an issue"}]'
for _, text in ipairs {
	body(lua, '[{"type":"tool_result","tool_use_id":"t1","content":"an issue"},{"type":"text","text":"open an issue"}]'),
	body(lua, '[{"type":"text","text":"<system-reminder>open an issue</system-reminder>"}]'),
	body('{"name":"lua","description":"Another tool that runs Lua","input_schema":{"type":"object"}}', issue),
	body(lua, '"qqq zzz"'), body(lua, "[]"),
	body(lua, '"open an issue ' .. ("x"):rep(70000) .. '"'), -- longer than what is copied
	'{"model":"claude-sonnet-4-6","max_tokens":1,"tools":[' .. lua .. '],"messages":[{"role":"user","content":"open an issue"},{"role":"assistant","content":"{"}]}',
} do expect(ask(c, up, text)):is(text) end
gw:stop()
local gw, up, c, lua = world { setting = "" }
expect(ask(c, up, body(lua, issue))):is(body(lua, issue))
gw:stop()
local gw, up, c, lua = world { rules = "" } -- no scripts for this key
expect(ask(c, up, body(lua, issue))):is(body(lua, issue))

test "what the description of `lua` names already is not told again"
local gw, up, c, lua = world { server = mcp_server "tracker" {
	tools = { tool("create_issue", "Opens a new issue.", { "title" }), tool("close_issue", "Closes an issue.", { "id" }) } } }
expect(lua):has("tracker.create_issue{")
expect(ask(c, up, body(lua, '"open an issue"'))):is(body(lua, '"open an issue"'))

test "tokens are counted as they were asked for, and other kinds of provider have no such switch"
local gw, up, c, lua = world {}
expect(c:post("/anthropic/v1/messages/count_tokens", body(lua, '"open an issue"')).status):is(200)
expect(up.requests[#up.requests].body):is(body(lua, '"open an issue"'))
local f = io.open(gw.config)
local text = f:read("a"):gsub("kind: anthropic", "kind: openai")
f:close()
f = io.open(gw.config, "w")
f:write(text)
f:close()
local said = gw:cli { "check" }
expect(said.err .. said.out):has("prefetch is for providers of kind anthropic")
