-- SPDX-License-Identifier: Apache-2.0
-- A call that only fails is not repeated for ever: after five times the gateway answers for its server.

local function world()
	local failing = true
	local ci = mcp_server "ci" { tools = {
		{ name = "build", result = function(args)
			return { content = { { type = "text", text = failing and "no such branch" or "built" } }, isError = failing }
		end },
		{ name = "deploy", error = { code = -32602, message = "no such stage" } },
	} }
	local gw = gateway { servers = { ci = ci }, clock = "2026-08-21T12:00:00Z", policies = { ["root/rig.yaml"] = [[
version: 1
organisation: { customers: { acme: { teams: { payments: { users: { ana: {} } } } } } }
policy: all
applies_to: "*"
rules:
  - allow: any/*
  - allow: code:run
]] } }
	local key = gw:key { name = "laptop", user = "ana" }
	gw:wait_tools(key, 4)
	return gw, key, ci, function() failing = false end
end

local function session(gw, key, id)
	return mcp_client { port = gw.port, headers = { authorization = "Bearer " .. key.key, ["x-claude-code-session-id"] = id } }
end

test "the sixth same call does not reach the server; other arguments and other sessions do; a minute later it does"
local gw, key, ci, mend = world()
local c = session(gw, key, "s1")
for _ = 1, 5 do expect(c:call("ci__build", { branch = "mian" }).content[1].text):is("no such branch") end
local r = c:call("ci__build", { branch = "mian" })
expect(r.isError):is(true)
expect(r.content[1].text):matches("ci/build: this same call has failed 5 times in a row; change its arguments, or wait")
expect(r.content[1].text):matches("try again in 60 s")
expect(#ci.calls):is(5)
expect(gw:audit()):has { name = "ci/build", verdict = "rate_limited", session = "s1" }
expect(c:call("ci__build", { branch = "main" }).content[1].text):is("no such branch")
expect(session(gw, key, "s2"):call("ci__build", { branch = "mian" }).content[1].text):is("no such branch")
expect(#ci.calls):is(7)
gw:advance("59s")
expect(c:call("ci__build", { branch = "mian" }).content[1].text):matches("try again in 1 s")
gw:advance("1s")
mend()
expect(c:call("ci__build", { branch = "mian" }).content[1].text):is("built")
expect(#ci.calls):is(8)
expect(gw:ok { "audit", "verify" }.out):matches("^ok %d+ rows")

test "a success in between begins the row anew"
local gw, key, ci, mend = world()
local c = gw:mcp(key)
for _ = 1, 4 do c:call("ci__build", {}) end
mend()
for _ = 1, 9 do expect(c:call("ci__build", {}).content[1].text):is("built") end
expect(#ci.calls):is(13)

test "a script that tries again and again is told, and can catch it; the next script of its session, too"
local gw, key, ci = world()
local c = session(gw, key, "s1")
local code = [[
local n, last = 0
for _ = 1, 20 do
	local ok, e = pcall(ci.deploy, { stage = "pord" })
	if e.code ~= "rate_limited" then n = n + 1 else last = e end
end
local ok, e = pcall(ci.deploy, { stage = "prod" })
return n .. " " .. tostring(last and last.message) .. " " .. e.code]]
local r = c:call("lua", { code = code })
expect(r.content[1].text):matches("^5 ")
expect(r.content[1].text):matches("ci/deploy: this same call has failed 5 times in a row")
expect(r.content[1].text):matches("try again in 60 s")
expect(r.content[1].text):matches("tool_error")
expect(#ci.calls):is(6)
expect(c:call("lua", { code = code }).content[1].text):matches("^0 ")
expect(#ci.calls):is(7)
