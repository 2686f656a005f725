-- SPDX-License-Identifier: Apache-2.0
-- Blobs and results by reference: what is large stays at the gateway, scripts hold handles.

local PNG = "iVBORw0KGgoAAAANSUhEUg==" -- 16 bytes
local function block(t) return json.encode(t) end
local IMAGE = block { type = "image", data = PNG, mimeType = "image/png" }
local TEXT = block { type = "text", text = "a shot" }
local SHOT = '{"content":[' .. TEXT .. "," .. IMAGE .. "]}"

local function world(tools, rules_)
	local list = {}
	for i, t in ipairs(tools) do list[i] = t end
	list[#list + 1] = { name = "take", inputSchema = { type = "object", properties = {
		data = { type = "string" }, rows = { type = "array" }, any = json.null and {} } } }
	local up = mcp_server "box" { tools = list }
	local gw = gateway { servers = { box = up }, policies = rules(table.unpack(rules_ or { 'allow: "box/*"', "allow: code:run" })) }
	local key = gw:dev()
	gw:wait_tools(key, #list + 2)
	local c = gw:mcp(key)
	local function run(code) return c:call("lua", { code = code }) end
	local function text(code)
		local r = run(code)
		return r.content and r.content[1].text or rig.show(r.error)
	end
	local function taken() return up.calls[#up.calls].raw:match('"arguments":(.*),"_meta"') end
	return text, taken, run, up, gw
end

test "an image is a handle: its bytes reach neither the script nor the model"
local text, taken, run = world { { name = "shot", raw = SHOT } }
expect(text [[local r = box.shot{} local b = r.blobs[1]
return r.text, #r.blobs, b.type, b.bytes, tostring(b), shape(r), json.encode(r)]]):is(
	'["a shot",1,"image/png",16,"<image/png 16 B #1>","{blobs:<image/png 16 B #1>[1], text:string}",' ..
	'"{\\"blobs\\":[\\"<image/png 16 B #1>\\"],\\"text\\":\\"a shot\\"}"]')
expect(text "local r = box.shot{} print(r.blobs[1], r) return #r.blobs"):is(
	'<image/png 16 B #1>\t{"blobs":["<image/png 16 B #1>"],"text":"a shot"}\n1')
expect(run("return box.shot{}.text").raw):lacks(PNG)
expect(text "return box.shot{}.blobs[1].data"):has("and no 'data': its contents stay at the gateway")
expect(text "box.shot{}.blobs[1].type = 1"):has("read-only")
expect(text "return getmetatable(box.shot{}.blobs[1])"):is("false")

test "a handle that is passed to a tool is its base64 there"
local text, taken = world { { name = "shot", raw = SHOT } }
expect(text "return box.take{data=box.shot{}.blobs[1]}"):is("take done")
expect(taken()):is('{"data":"' .. PNG .. '"}')
expect(text "return box.take{any={files={{name='x', body=box.shot{}.blobs[1]}, box.shot{}.blobs[1]}}}"):is("take done")
expect(taken()):is('{"any":{"files":[{"body":"' .. PNG .. '","name":"x"},"' .. PNG .. '"]}}')
expect(text "return pmap({1, 2, 3}, function(i) return box.take{data=box.shot{}.blobs[1], any=i} end)"):is(
	'["take done","take done","take done"]')

test "a handle that is returned or shown puts the block itself into the result, once"
local text, taken, run = world { { name = "shot", raw = SHOT } }
local r = run "return box.shot{}"
expect(r.content[1].text):is('{"blobs":["<image/png 16 B #1>"],"text":"a shot"}')
expect(r.content[2]):same { type = "image", data = PNG, mimeType = "image/png" }
expect(#r.content):is(2)
r = run "local b = box.shot{}.blobs[1] show(b) show(b) return b"
expect(r.content[1].text):is("<image/png 16 B #1>")
expect(#r.content):is(2)
r = run "show(box.shot{}.blobs[1]) error('late')"
expect(r.isError):is(true)
expect(r.content[2].type):is("image")
expect(text "show('x')"):has("show: invalid_args: pass one handle")
expect(text "show(nil)"):has("show: invalid_args: pass one handle")
expect(text "for i = 1, 17 do show(box.shot{}.blobs[1]) end"):has("one script shows 16 blocks")

test "embedded resources: text can be read, bytes cannot; links are plain"
local text, taken, run = world {
	{ name = "file", raw = '{"content":[' .. block { type = "resource", resource = { uri = "file:///a", mimeType = "text/x-c", text = "int x;\n" } }
		.. "," .. block { type = "resource", resource = { uri = "file:///b", blob = PNG } }
		.. "," .. block { type = "resource_link", uri = "file:///c", name = "c" }
		.. "," .. block { type = "audio", data = PNG, mimeType = "audio/<b>\nwav" } .. "]}" } }
expect(text [[local r = box.file{} local a, b = r.blobs[1], r.blobs[2]
return a.text, a.uri, tostring(a), b.text == nil, b.uri, tostring(b), r.links[1].uri, tostring(r.blobs[3])]]):is(
	'["int x;\\n","tg+box+file:///a","<text/x-c 8 B #1>",true,"tg+box+file:///b","<data 16 B #2>","tg+box+file:///c","<audio/bnwav 16 B #3>"]')
expect(text "return box.take{data=box.file{}.blobs[1]}"):is("take done")
expect(taken()):is([[{"data":"int x;\n"}]])
expect(run("return box.file{}.blobs[1]").content[2].resource.text):is("int x;\n")

test "what comes beside structured content is not lost"
local text = world { { name = "both", raw = '{"content":[' .. TEXT .. "," .. IMAGE .. '],"structuredContent":{"w":4} }' },
	{ name = "bare", raw = '{"content":[' .. IMAGE .. '],"structuredContent":{}}' } }
expect(text "local r = box.both{} return r.w, tostring(r.blobs[1])"):is('[4,"<image/png 16 B #1>"]')
expect(text "return tostring(box.bare{}.blobs[1])"):is("<image/png 16 B #1>")

test "a result by reference goes from tool to tool without passing the script"
local rows = {}
for i = 1, 200 do rows[i] = { id = i, name = "row " .. i } end
local ROWS = json.encode(json.array(rows))
local text, taken, run = world {
	{ name = "export", raw = '{"content":[' .. block { type = "text", text = ROWS } .. "]}" },
	{ name = "read", raw = '{"content":[' .. block { type = "text", text = 'some "text"' } .. "]}" },
	{ name = "shot", raw = SHOT }, { name = "fail", raw = '{"content":[' .. TEXT .. '],"isError":true}' } }
expect(text "local r = by_ref(box.export, {}) return r.type, r.bytes, r.shape, tostring(r)"):is(
	('["application/json",%d,"{id:integer, name:string}[200]","<application/json %d KB #1>"]'):format(#ROWS, (#ROWS + 512) // 1024))
expect(text "return box.take{rows=by_ref(box.export, {})}"):is("take done")
expect(taken()):is('{"rows":' .. ROWS .. "}")
expect(text "return box.take{data=by_ref('box.export', {})}", "where only a string fits, its JSON"):is("take done")
expect(taken()):is('{"data":' .. json.encode(ROWS) .. "}")
expect(text "return box.take{any=by_ref(box.export)}", "where anything fits, the value"):is("take done")
expect(taken()):is('{"any":' .. ROWS .. "}")
expect(text "return box.take{data=by_ref(box.read, {})}"):is("take done")
expect(taken()):is([[{"data":"some \"text\""}]])
expect(text "return tostring(by_ref(box.shot, {}).blobs[1])", "what holds blobs is by reference already"):is("<image/png 16 B #1>")
expect(text "return by_ref(box.fail, {})"):has("box.fail: tool_error: a shot")
expect(text "return by_ref(print, {})"):has("by_ref: 'function' is not a tool")
expect(text "return by_ref('box.exprot', {})"):has("did you mean export?")
expect(text "return pmap({1, 2, 3}, function(i) return by_ref(box.export, {}).bytes end)"):is(("[%d,%d,%d]"):format(#ROWS, #ROWS, #ROWS))
local r = run "return by_ref(box.read, {})"
expect(r.content[1].text):is("<text/plain 13 B #1>")
expect(r.content[2].text):is('some "text"')

test "the gate judges what is sent, not the handle"
local secret = '{"content":[' .. block { type = "text", text = "rm -rf /" } .. "]}"
local text, taken, run, up = world({ { name = "read", raw = secret } }, { 'allow: "box/*"', "allow: code:run",
	'deny: box/take\n    when: { data: { matches: "^rm .*" } }\n    reason: "no"' })
expect(text "return box.take{data='fine'}"):is("take done")
expect(text "return box.take{data=by_ref(box.read, {})}"):has("denied")
expect(text "return box.take{rows=by_ref(box.read, {})}", "and so does the schema"):has("`rows` must be of type")
expect(#up.calls, "two reads, one take"):is(3)

test "no data of a tool, and no text of a script, can pass for a handle"
local text, taken, run, up = world {
	{ name = "shot", raw = SHOT },
	{ name = "evil", raw = [[{"content":[{"type":"text","text":"\u0000#1.00000000"}]}]] },
	{ name = "tree", raw = [[{"content":[],"structuredContent":{"a":"\u0000#1.00000000","b":["\u0000"]}}]] } }
expect(text "box.shot{} return box.take{data=box.evil{}}"):is("take done")
expect(taken()):is([[{"data":"\u0000#1.00000000"}]])
expect(text "box.shot{} return box.take{any=box.tree{}}"):is("take done")
expect(taken()):is([[{"any":{"a":"\u0000#1.00000000","b":["\u0000"]}}]])
local r = run "box.shot{} local t = box.tree{} return {t, n='\\0\\0x'}"
expect(r.content[1].text):is([[{"1":{"a":"\u0000#1.00000000","b":["\u0000"]},"n":"\u0000\u0000x"}]])
expect(#r.content):is(1)
expect(text "return box.take{data='#{\"ref\":\"1\"}'}"):is("take done")
expect(taken()):is([[{"data":"#{\"ref\":\"1\"}"}]])
expect(text "return json.decode('#{\"ref\":\"1\"}')"):has("not JSON at byte 1")

test "S and last keep a handle's name, and every other string as it was"
local text, taken, run = world { { name = "shot", raw = SHOT } }
expect(text "S.b, S.n = box.shot{}.blobs[1], '\\0x' return {box.shot{}.blobs[1], '\\0y'}"):has("#2>")
expect(text "return {S.b, #S.n, last[1], #last[2]}"):is('["<image/png 16 B #1>",2,"<image/png 16 B #2>",2]')

test "a run that is resumed makes reads anew that gave handles, and never a write"
local up = mcp_server "box" { tools = {
	{ name = "shot", raw = SHOT, annotations = { readOnlyHint = true } },
	{ name = "upload", inputSchema = { type = "object", properties = { data = { type = "string" } } } } } }
local gw = gateway { servers = { box = up }, policies = rules('allow: "box/*"', "allow: code:run") }
local key = gw:dev()
gw:wait_tools(key, 4)
local c = gw:mcp(key)
local CODE = "local b = box.shot{}.blobs[1] box.upload{data=b} show(b) "
local first = c:call("lua", { code = CODE .. "error('late')" })
local id = first.content[1].text:match('resume="(r%w+)"')
expect(id ~= nil, first.content[1].text):is(true)
local r = c:call("lua", { code = CODE .. "return b", resume = id })
expect(r.content[1].text):is("<image/png 16 B #1>")
expect(#r.content, "shown in this leg, too"):is(2)
local n = { shot = 0, upload = 0 }
for _, call in ipairs(up.calls) do n[call.name] = n[call.name] + 1 end
expect(n):same { shot = 2, upload = 1 }

test "what does not fit is told when it is used"
local big = '{"content":[' .. block { type = "image", data = ("A"):rep(6 << 20), mimeType = "image/png" } .. "]}"
local text, taken, run, up = world { { name = "big", raw = big }, { name = "shot", raw = SHOT } }
expect(text "local t = {} for i = 1, 3 do t[i] = box.big{}.blobs[1] end return box.take{data=t[3]}"):has(
	"blob #3 was not kept: one run keeps 64 blobs of 16777216 bytes together")
expect(text "local b for i = 1, 65 do b = box.shot{}.blobs[1] end return box.take{data=b}"):has("blob #65 was not kept")
expect(text "local b = box.big{}.blobs[1] return box.take{data=b}"):is("take done")
expect(#up.calls[#up.calls].args.data):is(6 << 20)
expect(text "local b = box.big{}.blobs[1] return {b, box.big{}.blobs[1]}"):has("(not shown: one script shows 16 blocks of 8388608 bytes together)")
