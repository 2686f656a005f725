-- SPDX-License-Identifier: Apache-2.0
-- The rig against its own fakes: what the other scenarios lean on.

test "JSON survives a round trip, integers past 2^53 and nulls included"
local text = '{"a":[1,2.5,"x\\n\\u00e9"],"b":9007199254740993,"c":null,"d":{},"e":[]}'
expect(json.encode(json.decode(text))):is('{"a":[1,2.5,"x\\n\195\169"],"b":9007199254740993,"c":null,"d":{},"e":[]}')
expect(json.try('{"a":1} x')):is(nil)

test "a provider answers in JSON and records the exact bytes it was asked"
local up = provider { text = "good day", usage = { input_tokens = 7, output_tokens = 3 } }
local c = client { port = up.port }
local r = c:post("/v1/messages", '{"model":"m",  "messages":[]}', { ["x-odd"] = "Kept  as is" })
expect(r.status):is(200)
expect(r.json.content):has { text = "good day" }
expect(r.json.usage):same { input_tokens = 7, output_tokens = 3 }
expect(up.requests[1].raw):has('\r\n\r\n{"model":"m",  "messages":[]}')
expect(up.requests[1].headers["x-odd"]):is("Kept  as is")
expect(up.usage):same { requests = 1, input_tokens = 7, output_tokens = 3 }

test "a provider streams events, one read at a time, and its usage is in the first and last"
local up = provider { chunks = 2, usage = { input_tokens = 7, output_tokens = 3 } }
local r = client { port = up.port }:stream("/v1/messages", { stream = true })
local seen = {}
for e in function() return r:event() end do
	seen[#seen + 1] = e.event
	if e.event == "message_delta" then expect(e.json.usage.output_tokens):is(3) end
end
expect(seen):same { "message_start", "content_block_start", "ping", "content_block_delta",
	"content_block_delta", "content_block_stop", "message_delta", "message_stop" }

test "a provider withholds replies until they are released"
local up = provider { hold = true }
local answered = 0
for _ = 1, 3 do
	spawn(function()
		client { port = up.port }:post("/v1/messages", {})
		answered = answered + 1
	end)
end
up:wait(3)
expect(answered):is(0)
up:release(2)
wait_for("two answers", function() return answered == 2 end)
up:release()
wait_for("the third", function() return answered == 3 end)

test "a provider notices a client that goes away while its reply is withheld"
local up = provider { hold = true }
local c = client { port = up.port }
c:send(c:bytes { method = "POST", path = "/v1/messages", body = "{}" })
up:wait(1)
c:close()
up:wait_aborted(1)
expect(up.usage.requests):is(0)

test "a provider holds a stream in the middle, and cuts one"
local up = provider { hold_after = 2, on = function(r) return r.json.cut and { cut_after = 3 } end }
local r = client { port = up.port }:stream("/v1/messages", { stream = true })
expect(r:event().event):is("message_start")
expect(r:event().event):is("content_block_start")
up:release(1)
expect(r:event().event):is("ping")
local up = provider { cut_after = 2 }
local cut = client { port = up.port }:stream("/v1/messages", { stream = true })
local last, why
repeat last, why = cut:event() until not last
expect(last):is(false)

test "a client pipelines, sends in pieces, and reads replies in order"
local up = provider { on = function(r) return { body = { was = r.json.n } } end }
local c = client { port = up.port }
local bytes = c:bytes { method = "POST", path = "/1", body = { n = 1 } }
	.. c:bytes { method = "POST", path = "/2", body = { n = 2 } }
for i = 1, #bytes, 7 do c:send(bytes:sub(i, i + 6)) end
expect(c:response().json.was):is(1)
expect(c:response().json.was):is(2)

test "a tool server lists and answers calls in the modern era and counts them"
local up = mcp_server "github" { tools = { "get_issue", { name = "add", result = function(a)
	return { content = json.array { { type = "text", text = tostring(a.x + a.y) } } }
end } } }
local c = mcp_client { port = up.port }
expect(c:rpc("server/discover").supportedVersions):same { "2026-07-28" }
expect(c:tools()):same { "add", "get_issue" }
expect(c:call("add", { x = 1, y = 2 }).content[1].text):is("3")
expect(c:call("nothing")):error(-32602, "Unknown tool")
expect(up.calls[1].args):same { x = 1, y = 2 }
expect(#up.calls):is(2)

test "a legacy tool server wants initialize first and gives out a session"
local up = mcp_server "old" { era = "legacy", tools = { "ping_me" } }
local c = client { port = up.port }
local function ask(method, session)
	return c:post("/mcp", { jsonrpc = "2.0", id = 1, method = method }, { ["mcp-session-id"] = session })
end
expect(ask("tools/list").status):is(400)
local session = ask("initialize").headers["mcp-session-id"]
expect(ask("tools/list", session).json.result.tools[1].name):is("ping_me")

test "a program's output and exit code are collected, and one that stays is killed at the end"
local p = process({ "/bin/sh", "-c", "echo out; echo err >&2; exit 3" })
expect(p:wait()):is(3)
expect(p.out .. p.err):is("out\nerr\n")
process({ "/bin/sh", "-c", "sleep 1000 & sleep 1000" })

test "the test clock is a page that both sides map, with two bells"
local clock = sys.clock(5000000000, 77)
clock:move(1500)
expect({ clock:times() }):same { 6500000000, 1577 }
local page, wake = clock:fds()
rig.wait_fd(wake, "r")
expect(page):above(2)
