-- SPDX-License-Identifier: Apache-2.0
-- What scripts can call, as a file for people's editors.

local HOSTILE = "end os.exit() --\n@return nonsense\n]]=] \"]]\"\r\n--[[ \xe2\x80\xa8 @param x"
local function tool(name, description, input, output)
	return { name = name, description = description, inputSchema = input or { type = "object" }, outputSchema = output }
end
local TOOLS = {
	tool("get-note", "Reads one note.\n\nWith all that hangs on it.", { type = "object", required = { "id" }, properties = {
		id = { type = "integer" }, deep = { type = "boolean", default = true }, limit = { type = "integer", default = 10 },
		["odd name"] = { type = "string" }, kind = { enum = { "a", "b" } },
		letter = { enum = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o" } } } },
		{ type = "object", required = { "id" }, properties = { id = { type = "integer" }, title = { type = "string" } } }),
	tool("list", "Lists notes. Deprecated: use get-note."),
	tool("evil", HOSTILE, { type = "object", properties = { [HOSTILE] = { type = "string", enum = { HOSTILE } } } }),
	tool("hidden", "Nobody sees this."),
	tool("plain", ""),
}
TOOLS[5].result = { content = { { type = "text", text = '{"rows":[{"id":1}],"count":2}' } } }

local function world(...)
	local up = mcp_server "notes" { tools = TOOLS }
	local gw = gateway { servers = { notes = up }, policies = rules("allow: notes/*", "deny: notes/hidden\n    reason: no", ...) }
	local key = gw:dev()
	wait_for("the server", function() return not gw:mcp(key):call("notes__plain").error end)
	return gw, key
end
local function get(gw, key, headers) return gw:client(key):get("/codemode/stubs.lua", headers) end

-- What the file defines, by a Lua that runs it.
local function defined(text)
	local env = { string = {} }
	local f, why = load(text, "=stubs.lua", "t", env)
	expect(f ~= nil, why):is(true)
	f()
	return env
end

test "the file is Lua, whatever servers say, and has the tools that the key sees"
local gw, key = world "allow: code:run"
local r = get(gw, key)
expect(r.status):is(200)
expect(r.headers["content-type"]):has("lua")
local text = r.body
local env = defined(text)
local names = {}
for name in pairs(env.notes) do names[#names + 1] = name end
table.sort(names)
expect(names):same { "evil", "get_note", "list", "plain" }
expect(text):has([[
--- Reads one note.
--- 
--- With all that hangs on it.
---@param args {id:integer, ]])
expect(text):has("deep?:boolean", "a type, not a default")
expect(text):lacks("=true")
expect(text):lacks("=10")
expect(text):has('["odd name"]?:string')
expect(text):has('kind?:"a"|"b"')
expect(text, "an enum that was cut is open"):has('"l"|string')
expect(text):lacks("…")
expect(text):has("---@return {id:integer, title?:string}\nfunction notes.get_note(args) end\n")
expect(text):has("---@deprecated\n---@param args? {}\nfunction notes.list(args) end\n")
expect(text):lacks("hidden")
-- Every line that a server had a word in is a comment, and none is an annotation of its own.
for line in text:gmatch("[^\n]+") do
	if line:find("nonsense", 1, true) or line:find("os.exit", 1, true) then
		expect(line:sub(1, 3), line):is("---")
		expect(line:match("^%-%-%-%s*@return"), line):is(nil)
	end
end

test "the same bytes until something changes, and an etag for who looks often"
local gw, key = world "allow: code:run"
local r = get(gw, key)
expect(get(gw, key).body):is(r.body)
local tag = r.headers.etag
local again = get(gw, key, { ["if-none-match"] = '"other", W/' .. tag })
expect(again.status):is(304)
expect(again.body):is("")
expect(again.headers.etag):is(tag)
gw:restart()
wait_for("the server", function() return not gw:mcp(key):call("notes__plain").error end)
expect(get(gw, key).headers.etag):is(tag)
-- What scripts learn is something that changes.
expect(get(gw, key).body):has("---@param args? {}\nfunction notes.plain(args) end")
expect(gw:mcp(key):call("lua", { code = "return notes.plain{}" }).content[1].text):has("rows")
local after = get(gw, key, { ["if-none-match"] = tag })
expect(after.status):is(200)
expect(after.body):matches("\n%-%-%-@return {[^\n]*rows:[^\n]*} # as scripts have seen it\nfunction notes.plain%(args%) end")
defined(after.body)

test "every function of the library is there, and every one that is told exists"
local gw, key = world "allow: code:run"
local env, script, names = defined(get(gw, key).body), {}, {}
for line in (read_file("sandbox/worker/library.lua") .. "\nfunction call(\nfunction by_ref(\nfunction array("):gmatch("[^\n]+") do
	local name = line:match("^function ([%a_]+)%(")
	if name then expect(type(env[name]), name):is("function") end
end
for name, v in pairs(env) do
	if type(v) == "function" then names[#names + 1] = name end
end
for _, lib in ipairs { "string", "json" } do
	for name in pairs(env[lib]) do names[#names + 1] = lib .. "." .. name end
end
expect(#names):above(25)
for i, name in ipairs(names) do script[i] = ('if type(%s) ~= "function" then out[#out + 1] = %q end'):format(name, name) end
local r = gw:mcp(key):call("lua", { code = "local out = {}\n" .. table.concat(script, "\n") ..
	"\nreturn #out .. ' missing ' .. table.concat(out, ' ') .. type(null) .. type(S) .. type(last)" })
expect(r.content[1].text):matches("^0 missing %a+table%a+$")

test "who is offered no scripts is told why, and the shell has it"
local gw, key = world()
local r = get(gw, key)
expect(r.status):is(404)
expect(r.body):has("this key is offered no scripts: no rule allows it")
expect(gw:client():get("/codemode/stubs.lua").status):is(401)
local gw, key = world "allow: code:run"
local function shell(...)
	local p = process({ gw:binary(), "tools", "--stubs", ... }, { TOLLGATE_KEY = key.key })
	return p:wait(), p
end
local code, p = shell("--url", "http://127.0.0.1:" .. gw.port)
expect(code, p.err):is(0)
expect(p.out):is(get(gw, key).body)
expect((shell("--key", "dev"))):is(2)
