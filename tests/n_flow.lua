-- SPDX-License-Identifier: Apache-2.0
-- What has been read decides what may leave: labels on tools, within a script and within a session.

local function world()
	local crm = mcp_server "crm" { tools = { "get_customer", "count" } }
	local web = mcp_server "web" { tools = { "post", "search" } }
	local gw = gateway { servers = { crm = crm, web = web }, policies = { ["root/rig.yaml"] = [[
version: 1
organisation: { customers: { acme: { teams: { payments: { users: { ana: {} } } } } } }
policy: flow
applies_to: "*"
rules:
  - allow: any/*
  - allow: code:run
  - label: crm/get_*
    as: [private]
  - label: web/post
    as: [egress]
  - deny: any/*
    labels: [egress]
    after: [private]
    reason: "What customers told us stays here"
]] } }
	local key = gw:key { name = "laptop", user = "ana" }
	gw:wait_tools(key, 6)
	return gw, key, web, crm
end

local function session(gw, key, id)
	return mcp_client { port = gw.port, headers = { authorization = "Bearer " .. key.key, ["x-claude-code-session-id"] = id } }
end

test "after private data nothing leaves, in the same session; another session may go on"
local gw, key, web = world()
local one, two = session(gw, key, "s1"), session(gw, key, "s2")
expect(one:call("web__post", {}).isError):is(nil)
expect(one:call("crm__count", {}).isError):is(nil)
expect(one:call("web__post", {}).isError):is(nil)
expect(one:call("crm__get_customer", {}).isError):is(nil)
local r = one:call("web__post", {})
expect(r.isError):is(true)
expect(r.raw):has("What customers told us stays here")
expect(r.raw):has("not after results that are private")
expect(#web.calls):is(2)
expect(one:call("web__search", {}).isError):is(nil)
expect(two:call("web__post", {}).isError):is(nil)
expect(gw:audit()):has { name = "crm/get_customer", labels = "private", verdict = "ok" }
-- It is still listed: a new session may use it; the description says so.
expect(table.concat(one:tools(), " ")):has("web__post")

test "within one script: what it has read stops what it would send, also when it hides the data"
local gw, key, web = world()
local r = gw:mcp(key):call("lua", { code = [[
web.post{}
local c = crm.get_customer{}
local ok, e = pcall(call, "web.post", {})
return { ok = ok, e = tostring(e) }]] })
expect(r.raw):has("not after results that are private")
expect(#web.calls):is(1)

test "a restart does not make it forget"
local gw, key, web = world()
expect(session(gw, key, "s1"):call("crm__get_customer", {}).isError):is(nil)
gw:restart()
gw:wait_tools(key, 6)
expect(session(gw, key, "s1"):call("web__post", {}).isError):is(true)
expect(#web.calls):is(0)
expect(session(gw, key, "s2"):call("web__post", {}).isError):is(nil)

test "a client that names no session is one session"
local gw, key, web = world()
expect(gw:mcp(key):call("crm__get_customer", {}).isError):is(nil)
expect(gw:mcp(key):call("web__post", {}).isError):is(true)
expect(session(gw, key, "s1"):call("web__post", {}).isError):is(true)
expect(#web.calls):is(0)

test "a session of bytes that are no text is kept as it is written, and stops no start"
local gw, key, web = world()
local odd = string.rep("\xff", 300)
expect(session(gw, key, odd):call("crm__get_customer", {}).isError):is(nil)
expect(session(gw, key, odd):call("web__post", {}).isError):is(true)
gw:restart()
gw:wait_tools(key, 6)
expect(session(gw, key, odd):call("web__post", {}).isError):is(true)
expect(session(gw, key, "s2"):call("web__post", {}).isError):is(nil)
