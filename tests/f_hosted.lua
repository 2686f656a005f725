-- SPDX-License-Identifier: Apache-2.0
-- Tools that the provider would run itself: they never come back to the hub, so the request that names one is judged.

local BODY = [[{"model":"claude-sonnet-4-6","max_tokens":16,"messages":[{"role":"user","content":"hi"}],%s}]]

-- A gateway, its provider, and a way to ask with these members in the body.
local function asking(rules, mode)
	local up = provider()
	local gw = gateway { providers = { anthropic = up }, policies = { ["root/all.yaml"] = [[
version: 1
organisation: { contact: "#ai", customers: { acme: { teams: { core: { users: { ana: {} } } } } } }
policy: models
applies_to: "*"
]] .. (mode or "") .. [[
rules:
  - allow: "model:*"
]] .. rules } }
	local cl = gw:client(gw:key { name = "laptop", user = "ana" })
	return gw, up, function(members, path)
		return cl:post(path or "/anthropic/v1/messages", (BODY:gsub("%%s", function() return members end)))
	end
end

test "a tool that the provider runs needs a grant of its own: refused, on record, and nothing went out"
local gw, up, ask = asking ""
for _, case in ipairs {
	{ [=["tools":[{"type":"web_search_20250305","name":"web_search"}]]=], "hosted:web_search: no rule allows it (ask #ai)" },
	{ [=["tools":[{"name":"x","input_schema":{}},{"name":"f","type":"web_fetch_20250910"}]]=], "hosted:web_fetch: " },
	{ [=["tools":[{"type":"code_execution_20260120","name":"code_execution"}]]=], "hosted:code_execution: " },
	{ [=["mcp_servers":[{"type":"url","url":"https://Mcp.Example.COM./sse","name":"m"}]]=], "hosted:mcp/mcp.example.com: " },
	{ [=["tools":[{"type":"brand_new","name":"n"}]]=], "hosted:brand_new: " },
	{ [=["too\u006cs":[{"t\u0079pe":"web\u005fsearch_20250305","name":"w"}]]=], "hosted:web_search: " },
} do
	local r = ask(case[1])
	expect(r.status, case[1]):is(403)
	expect(r.json.error.type):is("permission_error")
	expect(r.json.error.message):has(case[2])
	expect(ask(case[1], "/anthropic/v1/messages/count_tokens").status, case[1]):is(403)
end
expect(#up.requests, "sent to the provider"):is(0)
expect(gw:audit()):has { kind = "model", verdict = "not_permitted", hosted = "mcp/mcp.example.com" }
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")

test "what is granted passes, byte for byte, and the audit names it; what is not granted beside it does not"
local gw, up, ask = asking [[
  - allow: "hosted:{web_search,mcp/*.example.com}"
  - deny: hosted:mcp/secret.example.com
    reason: "Not this one"
]]
local tools = [=["tools":[{"type":"web_search_20250305","name":"web_search","max_uses":1e0}],"mcp_servers":[{"type":"url","url":"https://a.example.com:8443/x"}]]=]
expect(ask(tools).status):is(200)
expect(up.requests[1].body):has(tools)
expect(gw:audit()):has { kind = "model", verdict = "ok", hosted = "web_search mcp/a.example.com" }
for _, refused in ipairs {
	[=["tools":[{"type":"web_search_20250305"},{"type":"code_execution_20250825"}]]=],
	[=["mcp_servers":[{"url":"https://a.example.com"},{"url":"https://secret.example.com"}]]=],
	[=["mcp_servers":[{"url":"https://example.com/a.example.com"}]]=],
} do
	expect(ask(refused).status, refused):is(403)
end
expect(ask([=["mcp_servers":[{"url":"https://secret.example.com"}]]=]).json.error.message):has("Not this one")
local crowd = {}
for i = 1, 32 do crowd[i] = ('{"url":"https://%s%d.example.com"}'):format(("a."):rep(115), i) end
expect(ask([=["mcp_servers":[]=] .. table.concat(crowd, ",") .. "]").status, "32 long names"):is(200)
expect(#up.requests):is(2)

test "tools that the client runs, and a search among the tools of the request, are nobody's grant"
local gw, up, ask = asking ""
expect(ask([=["tools":[{"name":"a","input_schema":{"type":"web_search"}},{"type":"custom","name":"b"},{"type":null,"name":"c"},
	{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"e"},{"type":"computer_20251124","name":"d"},
	{"type":"memory_20250818","name":"memory"},{"type":"tool_search_tool_bm25_20251119","name":"s"}],"mcp_servers":[]]=]).status):is(200)
expect(ask([=["tools":null,"mcp_servers":null]=]).status):is(200)
expect(#up.requests):is(2)

test "a file that the provider keeps needs a grant, wherever a message names it; a tool's own arguments do not"
local gw, up = asking ""
local cl = gw:client(gw:key { name = "other", user = "ana" })
local function content(blocks)
	return cl:post("/anthropic/v1/messages",
		'{"model":"claude-sonnet-4-6","max_tokens":16,"messages":[{"role":"user","content":[' .. blocks .. "]}]}")
end
for _, blocks in ipairs {
	[=[{"type":"document","source":{"type":"file","file_id":"file_1"}}]=],
	[=[{"type":"container_upload","file\u005fid":"file_1"}]=],
	[=[{"type":"tool_result","content":[{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]=],
} do
	local r = content(blocks)
	expect(r.status, blocks):is(403)
	expect(r.json.error.message):has("hosted:stored_file: ")
end
expect(#up.requests):is(0)
expect(content([=[{"type":"tool_use","input":{"file_id":"x","deep":[{"file_id":"y"}]}},{"type":"text","text":"\"file_id\":\"x\""}]=]).status):is(200)
expect(content([=[{"type":"document","source":{"type":"url","url":"https://a.example/file_id"}}]=]).status):is(200)
expect(content([=[{"file_id":]=]).status):is(400)

test "what two readers could read differently is refused, by place"
local gw, up, ask = asking [[  - allow: "hosted:*"
]]
local many = {}
for i = 1, 33 do many[i] = ('{"type":"t%d"}'):format(i) end
local escaped = ('{"type":"\\u0063ustom"},'):rep(10000)
for _, case in ipairs {
	{ [=["tools":[{"type":"custom","type":"web_search_20250305"}]]=], "tools[0]: " },
	{ [=["tools":[],"tools":[{"type":"web_search_20250305"}]]=], "twice" },
	{ [=["tools":[],"Tools":[{"type":"web_search_20250305"}]]=], '"Tools" could be taken for another' },
	{ [=["MCP_servers":[{"url":"https://a.example"}]]=], '"MCP_servers" could be taken for another' },
	{ [=["Model":"claude-opus-4-6"]=], '"Model" could be taken for another' },
	{ [=["tools":[{"type":"custom","T\u0079pe":"web_search_20250305"}]]=], "tools[0]: a member " },
	{ [=["mcp_servers":[{"url":"https://a.example","URL":"https://b.example"}]]=], "mcp_servers[0]: a member " },
	{ [=["tools":{"0":{"type":"web_search_20250305"}}]=], '"tools" is not a list' },
	{ [=["tools":["web_search_20250305"]]=], "tools[0]: " },
	{ [=["tools":[{"type":7}]]=], "tools[0].type is no name" },
	{ [=["tools":[{"type":"Web_Search_20250305"}]]=], "tools[0].type is no name" },
	{ [=["tools":[{"type":"web_search_20250305\u0000"}]]=], "tools[0].type is no name" },
	{ [=["tools":[{"type":}]]=], '"tools": not valid JSON' },
	{ [=["tools":[]=] .. table.concat(many, ",") .. "]", "more than 32 different" },
	{ [=["tools":[]=] .. escaped .. "{}]", "].type is no name" },
	{ [=["mcp_servers":[{"name":"m"}]]=], "mcp_servers[0].url is not" },
	{ [=["mcp_servers":[{"url":"https://good@evil.example"}]]=], "mcp_servers[0].url is not" },
	{ [=["mcp_servers":[{"url":"https://good.example\\.evil.example"}]]=], "mcp_servers[0].url is not" },
	{ [=["mcp_servers":[{"url":"https://%67ood.example"}]]=], "mcp_servers[0].url is not" },
	{ [=["mcp_servers":[{"url":"ftp://good.example"}]]=], "mcp_servers[0].url is not" },
	{ [=["mcp_servers":[{"url":"https://a.example","url":"https://b.example"}]]=], "mcp_servers[0]: " },
} do
	local r = ask(case[1])
	expect(r.status, case[1]:sub(1, 80)):is(400)
	expect(r.json.error.message):has(case[2])
end
expect(#up.requests):is(0)

test "a policy that only observes lets it pass and says so"
local gw, up, ask = asking([[  - allow: "hosted:*"
]], "")
sys.write_file(gw.folder .. "/policies/root/watch.yaml", [[
version: 1
policy: watch
applies_to: "*"
mode: observe
rules:
  - deny: hosted:web_search
    reason: "Soon"
]])
gw:ok { "reload" }
expect(ask([=["tools":[{"type":"web_search_20250305"}]]=]).status):is(200)
local seen
for _, row in ipairs(gw:audit()) do if row.hosted then seen = row end end
expect(seen.would):has("denied by watch:6")
expect(#up.requests):is(1)

test "explain and the policies' own tests speak of it"
local gw = asking [[  - allow: hosted:web_search
]]
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "hosted:web_search" }).out):has("ALLOW")
expect(gw:cli({ "policy", "explain", "--user", "ana", "--call", "hosted:mcp/x.example" }).code):is(1)
