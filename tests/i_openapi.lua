-- SPDX-License-Identifier: Apache-2.0
-- An HTTP API as a tool server: its operations are tools, under the same rules as any other's.

local API = [[
openapi: 3.0.3
info: { title: Pets, version: "1" }
servers: [{ url: "https://elsewhere.example/" }]
paths:
  /pets:
    get:
      operationId: listPets
      summary: All pets
      parameters:
        - { name: tag, in: query, schema: { type: array, items: { type: string } } }
        - { name: limit, in: query, description: At most so many, schema: { type: integer, maximum: 100 } }
        - { name: X-Trace, in: header, schema: { type: string } }
        - { name: Authorization, in: header, schema: { type: string } }
    post:
      operationId: create pet!
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } }
  /pets/{petId}:
    parameters: [{ $ref: "#/components/parameters/PetId" }]
    get: { description: One pet }
    delete: { operationId: removePet }
  /photos:
    put: { operationId: putPhoto, requestBody: { required: true, content: { image/png: {} } } }
    get: { operationId: getPhoto, parameters: [{ name: sid, in: cookie, required: true, schema: {} }] }
components:
  parameters:
    PetId: { name: petId, in: path, required: true, schema: { type: string } }
  schemas:
    Pet:
      type: object
      required: [name]
      properties:
        name: { type: string, nullable: true, example: Rex }
        parent: { $ref: "#/components/schemas/Pet" }
]]

local function api(answer)
	local a = { requests = {} }
	a.port = rig.server(function(w)
		while true do
			local r = w:request()
			if not r then return end
			a.requests[#a.requests + 1] = r
			local status, body, headers = answer(r)
			if not w:reply(status, body, headers) then return end
		end
	end)
	return a
end

local function world(answer, options)
	local o = options or {}
	local a = api(answer or function() return 200, '{"ok":true,"big":9007199254740993}' end)
	local folder = rig.scratch()
	sys.write_file(folder .. "/api.yaml", o.document or API)
	local gw = gateway { policies = rules(table.unpack(o.rules or { "allow: pets/*" })), env = { RIG_TOKEN = "upstream-secret" },
		yaml = string.format("pin: off\nservers:\n  pets:\n    openapi: %q\n    url: http://127.0.0.1:%d/v2/\n    headers: { Authorization: \"Bearer {env:RIG_TOKEN}\" }\n",
			o.url and "http://127.0.0.1:" .. a.port .. "/api.json" or folder .. "/api.yaml", a.port) }
	return gw, a, gw:dev()
end

test "operations are tools, with their schemas and the hints of their verbs"
local gw, a, key = world()
expect(gw:wait_tools(key, 4)):same { "pets__GET_pets_petId", "pets__create_pet_", "pets__listPets", "pets__removePet" }
local by = {}
for _, t in ipairs(gw:mcp(key):definitions()) do by[t.name] = t end
local list, create, one, remove = by.pets__listPets, by.pets__create_pet_, by.pets__GET_pets_petId, by.pets__removePet
expect(list.description):is("All pets")
expect(list.inputSchema.properties.limit):same { type = "integer", maximum = 100, description = "At most so many" }
expect(list.inputSchema.additionalProperties):is(false)
expect(list.annotations.readOnlyHint):is(true)
expect(remove.annotations.destructiveHint):is(true)
expect(one.inputSchema.required):same { "petId" }
expect(one.description):is("One pet")
expect(create.inputSchema.required):same { "body" }
expect(create.inputSchema.properties.body.properties.name.type):same { "string", "null" }
expect(create.inputSchema.properties.body.properties.parent.properties.name.type):same { "string", "null" }
expect(gw:mcp(key):rpc("tools/list").raw):lacks("Rex")

test "a call is one request, and no argument is more than its value"
local gw, a, key = world()
gw:wait_tools(key, 4)
local c = gw:mcp(key)
local r = c:call("pets__listPets", { tag = { "a b", "c&d=e" }, limit = 5, ["X-Trace"] = "t1", Authorization = "Bearer mine" })
expect(r.isError):is(false)
expect(r.raw):has('"structuredContent":{"ok":true,"big":9007199254740993}')
local q = a.requests[#a.requests]
expect(q.target):is("/v2/pets?tag=a%20b&tag=c%26d%3De&limit=5")
expect(q.headers.authorization):is("Bearer upstream-secret")
expect(q.headers["x-trace"]):is("t1")
c:call("pets__GET_pets_petId", { petId = "a/../b?x=1#y" })
expect(a.requests[#a.requests].target):is("/v2/pets/a%2F..%2Fb%3Fx%3D1%23y")
local before = #a.requests
for _, id in ipairs { "..", ".", "" } do expect(c:call("pets__GET_pets_petId", { petId = id }).raw):has("would be another path") end
expect(c:call("pets__GET_pets_petId", { petId = { "x" } }).isError):is(true)
expect(c:call("pets__GET_pets_petId", {}).isError):is(true)
expect(c:call("pets__listPets", { ["X-Trace"] = "a\r\nX-Admin: 1" }).raw):has("line break")
expect(#a.requests):is(before)
c:call("pets__create_pet_", { body = { name = "Rex" } })
expect(a.requests[#a.requests].method):is("POST")
expect(a.requests[#a.requests].headers["content-type"]):is("application/json")
expect(a.requests[#a.requests].json):same { name = "Rex" }

test "what the API says no to is a tool error, what is too long is cut and says so, what is no text is not shown"
local replies = { { 404, '{"error":"no pet"}' }, { 302, "", { location = "http://127.0.0.1:1/" } },
	{ 200, ("x"):rep(300 * 1024), { ["content-type"] = "text/plain" } }, { 200, "\0\1\2", { ["content-type"] = "image/png" } }, { 204, "" } }
local n = 0
local gw, a, key = world(function() n = n + 1 return table.unpack(replies[n]) end)
gw:wait_tools(key, 4)
local c = gw:mcp(key)
local function text() local r = c:call("pets__listPets", {}) return r.content[1].text, r.isError end
local t, bad = text()
expect(t):is('HTTP 404\n{"error":"no pet"}')
expect(bad):is(true)
expect((text())):is("HTTP 302")
t, bad = text()
expect(t):has("[cut: 262144 of 307200 bytes are shown]")
expect(bad):is(false)
expect((text())):is("[3 bytes that are no text]")
expect((text())):is("HTTP 204")
expect(#a.requests):is(5)

test "rules on arguments hold, and every call is a row"
local gw, a, key = world(nil, { rules = { "allow: pets/*", "deny: pets/removePet\n    reason: pets stay" } })
expect(gw:wait_tools(key, 3)):lacks("pets__removePet")
expect(gw:mcp(key):call("pets__removePet", { petId = "1" })):error(-32602)
gw:mcp(key):call("pets__listPets", {})
expect(#a.requests):is(1)
local rows = 0
for _, r in ipairs(gw:audit()) do if r.name == "pets/listPets" and r.verdict == "ok" then rows = rows + 1 end end
expect(rows):is(1)

test "a document may be fetched, and one that is none is told with its place"
local function document() return 200, '{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/a":{"get":{"operationId":"a"}}}}' end
local gw, a, key = world(function(r) if r.target == "/api.json" then return document() end return 200, "plain", { ["content-type"] = "text/plain" } end, { url = true })
expect(gw:wait_tools(key, 1)):same { "pets__a" }
expect(gw:mcp(key):call("pets__a", {}).content[1].text):is("plain")
sys.write_file(gw.folder .. "/old.yaml", "swagger: '2.0'\npaths: {}\n")
sys.write_file(gw.config, (read_file(gw.config):gsub('openapi: "[^"]*"', 'openapi: old.yaml')))
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.err):has("old.yaml:1:1: openapi: 3.x is needed")

test "a document that leads out of the API, or is made to hurt, does not become tools, and the gateway goes on"
local hostile = '{"openapi":"3.1.0","paths":{"/../admin":{"get":{"operationId":"a"}}}}'
local paths = {}
for i = 1, 60000 do paths[i] = string.format('"/%x":{"get":{"requestBody":{"required":true}}}', i) end
local large = '{"openapi":"3.1.0","paths":{' .. table.concat(paths, ",") .. "}}"
for _, text in ipairs { hostile, large } do
	local asked
	local gw, a, key = world(function() asked = true return 200, text end, { url = true })
	wait_for("the document", function() return asked end)
	expect(#gw:mcp(key):definitions()):is(0)
	expect(gw:client():get("/readyz").status):is(200)
	sys.write_file(gw.folder .. "/bad.json", text)
	sys.write_file(gw.config, (read_file(gw.config):gsub('openapi: "[^"]*"', "openapi: bad.json")))
	local r = gw:cli { "check" }
	expect(r.code):is(1)
	expect(r.err):has(text == hostile and "a path with . or .. leads out of the API" or "more than 500 operations")
end

test "a script's write that a gateway before the API gave up is not made again by resume; a read is"
local answer
local gw, a, key = world(function() return table.unpack(answer) end, { rules = { "allow: pets/*", "allow: code:run" } })
gw:wait_tools(key, 6)
local c = gw:mcp(key)
local function lua(code, resume) return c:call("lua", { code = code, resume = resume }).content[1].text end
local function made(code)
	local before = #a.requests
	local text = lua(code)
	local id = text:match('resume="(r%w+)"')
	local again = id and lua(code, id)
	return #a.requests - before, text, again
end
local code = "pets.create_pet_{body={name='Rex'}} error('x')"
for _, case in ipairs { { 504, "" }, { 502, "<html>" }, { 500, '{"error":"oops"}' }, { 503, "reset before headers" } } do
	answer = case
	local n, text, again = made(code)
	expect(n, tostring(case[1])):is(1)
	expect(text):has("HTTP " .. case[1] .. " (whether it was done is not known)")
	expect(text):has("sent, and not known if done: pets.create_pet_")
	expect(again):has("unknown_outcome")
end
answer = { 503, "later", { ["retry-after"] = "30" } }
local n, text = made(code) -- nothing was done, so there is nothing to resume
expect(n):is(1)
expect(text):has("HTTP 503\nlater")
expect(text):lacks("resume")
answer = { 504, "" }
local n, text = made("pets.listPets{}")
expect(n):is(1)
expect(text):has("HTTP 504")
expect(text):lacks("not known")
expect(text):lacks("resume")
