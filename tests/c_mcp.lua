-- SPDX-License-Identifier: Apache-2.0
-- The hub: one list and one set of rights per key.

test "a tool outside the key's allowlist is hidden, refused like an unknown one, and never reaches the server"
local up = mcp_server "github" { tools = { "get_issue", "delete_repo" } }
local gw = gateway { servers = { github = up }, policies = rules('allow: "github/get_*"') }
local key = gw:dev()
expect(gw:wait_tools(key, 1)):same { "github__get_issue" }
local c = gw:mcp(key)
local refused, unknown = c:call("github__delete_repo"), c:call("github__nothing")
expect(refused):error(-32602)
expect(unknown):error(-32602)
expect(refused.error.message:gsub("delete_repo", "nothing")):is(unknown.error.message)
expect(up.calls):same {}
gw:stop() -- applies everything
expect(gw:audit()):has { kind = "tool", name = "github/delete_repo", verdict = "not_permitted" }

test "an allowed call reaches the server with its arguments untouched, and is audited"
local up = mcp_server "github" { tools = { "get_issue" } }
local gw = gateway { servers = { github = up }, policies = rules('allow: "github/*"') }
local key = gw:dev()
gw:wait_tools(key, 1)
local r = gw:mcp(key):call("github__get_issue", { number = 9007199254740993, text = "a\1b" })
expect(r.error):is(nil)
expect(r.content[1].text):is("get_issue done")
expect(up.calls[1].name):is("get_issue")
expect(up.calls[1].raw):has('"number":9007199254740993')
expect(up.calls[1].headers.authorization):is(nil)
gw:stop()
expect(gw:audit()):has { kind = "tool", name = "github/get_issue" }

test "a result comes back byte for byte"
local RAW = '{"content":[{"type":"text","text":"\\u00e9"}],"structuredContent":{"big":9007199254740993,"one":1.0},"resultType":"complete"}'
local up = mcp_server "github" { tools = { { name = "big", raw = RAW } } }
local gw = gateway { servers = { github = up }, policies = rules('allow: "github/*"') }
local key = gw:dev()
gw:wait_tools(key, 1)
local r = gw:mcp(key):call("github__big")
expect(r.raw):has('"structuredContent":{"big":9007199254740993,"one":1.0}')
expect(r.raw):has('\\u00e9')

test "a key without any grant sees an empty list"
local up = mcp_server "github" { tools = { "get_issue" } }
local gw = gateway { servers = { github = up }, policies = rules('allow: "github/nothing_*"') }
expect(gw:mcp(gw:dev()):tools()):same {}

test "a legacy server is spoken to in its own era, and the client need not know"
local up = mcp_server "old" { era = "legacy", tools = { "greet" } }
local gw = gateway { servers = { old = up }, policies = rules('allow: "old/*"') }
local key = gw:dev()
expect(gw:wait_tools(key, 1)):same { "old__greet" }
expect(gw:mcp(key):call("old__greet").content[1].text):is("greet done")
expect(up.methods):has("initialize")

test "one server that hangs, one that talks nonsense and one that is dead harm nobody else"
local good = mcp_server "good" { tools = { "work" } }
local hang = mcp_server "hang" { tools = { { name = "wait", hang = true } } }
local bad = mcp_server "bad" { tools = { { name = "garble", malformed = true } } }
local gw = gateway { servers = { good = good, hang = hang, bad = bad, dead = { url = "http://127.0.0.1:1/mcp" } },
	policies = rules('allow: "any/*"') }
local key = gw:dev()
gw:wait_tools(key, 3)
local waiting = gw:mcp(key)
spawn(function() waiting:call("hang__wait") end)
hang:wait_calls(1)
local garbled = gw:mcp(key):call("bad__garble")
expect(garbled.error ~= nil or garbled.isError == true, "nonsense is an error"):is(true)
expect(gw:mcp(key):call("good__work").content[1].text):is("work done")
hang:release()

test "one malformed tool definition costs its server nothing but that tool"
local up = mcp_server "mixed" { tools_raw = '[{"name":"fine","inputSchema":{"type":"object"}},'
	.. '{"name":"no schema"},{"inputSchema":{"type":"object"}},{"name":"text_schema","inputSchema":"no"}]' }
local gw = gateway { servers = { mixed = up }, policies = rules('allow: "any/*"') }
local names = gw:wait_tools(gw:dev(), 1)
expect(names):has("mixed__fine")
expect(names):lacks("mixed__text_schema")

test "a client that leaves cancels its call at the server"
local up = mcp_server "slow" { tools = { { name = "wait", hang = true } } }
local gw = gateway { servers = { slow = up }, policies = rules('allow: "slow/*"') }
local key = gw:dev()
gw:wait_tools(key, 1)
local c = gw:mcp(key)
spawn(function() pcall(c.call, c, "slow__wait") end)
up:wait_calls(1)
c:close()
up:wait_aborted(1)

test "an unknown method and a malformed message are JSON-RPC errors, the id among them"
local gw = gateway { policies = rules('allow: "any/*"') }
local key = gw:dev()
local r = gw:mcp(key):rpc("tools/dance")
expect(r):error(-32601)
expect(r.status):is(404)
expect(r.id_matches):is(true)
local broken = gw:client(key):post("/mcp", "{not json", { ["mcp-protocol-version"] = "2026-07-28" })
expect(broken.status):is(400)
expect(broken.json.error.code):is(-32700)
