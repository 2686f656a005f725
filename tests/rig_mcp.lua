-- SPDX-License-Identifier: Apache-2.0
--
-- rig_mcp - a fake MCP server over Streamable HTTP, and an MCP client for the gateway's /mcp.
--
--   local up = mcp_server "github" { tools = { "get_issue", { name = "big", result = {...} } } }
--     era = "modern" | "legacy"     2026-07-28 (default) or 2025-11-25 with sessions
--     a tool is a name or a table: name, description, inputSchema, annotations, and
--       result = table | function(args) -> table      the CallToolResult
--       raw = "text"                                   the result's bytes, as they stand
--       error = { code, message }                      a JSON-RPC error
--       hang = true                                    never answers; up:release() lets it
--       malformed = true                               an answer that is not JSON
--       http = { status, body, headers }               this instead of a result, as a proxy in front of it would
--       progress = n, says = "text", cut = "text"      tells of it n times before it answers, which comes in
--                                                      two pieces, the first up to the first byte of that text
--       ask = { method, params }                       asks the client first; args.answer is what it said
--     prompts = { "review" }, resources = { ["file:///a"] = "text" }, templates = { "file:///{x}" }
--     tokens = as, resource, scopes, needs = function(request) -> scope   (rig_oauth.lua)
--     yaml = "oauth: {}"                             more members of its entry in tollgate.yaml
--     definition of the whole list: tools_raw = "[...]"
--     tls = c                        as a provider's (rig_tls.lua); up.tls.cert, up.tls.key: what it shows now
--   up.door.shut(), .open()         connections end and new ones are refused; and no more
--   up:push(method, params)         a notification to whoever listens (modern)
--   up.calls[i]                     { name, args, raw (the request's body), headers }
--   up.methods[i]                   every method asked, in order
--
--   local c = mcp_client { port = ..., headers = ... }   (gw:mcp(key) makes one)
--   c:tools()                       sorted names, pages followed
--   c:call("name", args)            the result, or { error = ... }; either with .status and .raw
--   c:rpc(method, params)           the same for any method
--   c.capabilities = { ... }        what it says that it can be asked
--   c.session = "..."              the session that it names
--   c.notes                         what came before answers

local MODERN, LEGACY = "2026-07-28", "2025-11-25"
local META = "io.modelcontextprotocol/"

local Server = {}
Server.__index = Server

local function definition(t)
	return {
		name = t.name, description = t.description or ("Does " .. t.name .. "."),
		inputSchema = t.inputSchema or { type = "object" },
		outputSchema = t.outputSchema, annotations = t.annotations,
	}
end

local function splice(id_raw, key, value_raw)
	return '{"jsonrpc":"2.0","id":' .. id_raw .. ',"' .. key .. '":' .. value_raw .. "}"
end

local function rpc_error(code, text) return json.encode { code = code, message = text } end

function Server:list()
	if self.options.tools_raw then
		return '{"tools":' .. self.options.tools_raw .. ',"resultType":"complete","ttlMs":0,"cacheScope":"private"}'
	end
	local list = json.array()
	for _, t in ipairs(self.tools) do list[#list + 1] = definition(t) end
	local r = { tools = list }
	if self.era == "modern" then r.resultType, r.ttlMs, r.cacheScope = "complete", 0, "private" end
	return json.encode(r)
end

-- What it offers beside tools.
function Server:capabilities()
	local c = { tools = { listChanged = true } }
	if self.options.prompts then c.prompts = { listChanged = true } end
	if self.options.resources then c.resources = { subscribe = true } end
	if self.options.prompts or self.options.templates then c.completions = { x = true } end
	return c
end

local function done(self, r)
	if self.era == "modern" then r.resultType, r.ttlMs, r.cacheScope = "complete", 0, "private" end
	return "result", json.encode(r)
end

function Server:offers(m, p)
	local list = json.array()
	if m == "prompts/list" and self.options.prompts then
		for _, name in ipairs(self.options.prompts) do list[#list + 1] = { name = name } end
		return done(self, { prompts = list })
	elseif m == "prompts/get" and self.options.prompts then
		return done(self, { messages = json.array { { role = "user", content = { type = "text", text = p.name } } } })
	elseif m == "resources/list" and self.options.resources then
		for uri in pairs(self.options.resources) do list[#list + 1] = { uri = uri, name = "r" } end
		return done(self, { resources = list })
	elseif m == "resources/templates/list" and self.options.resources then
		local templates = json.array()
		for _, uri in ipairs(self.options.templates or {}) do templates[#templates + 1] = { uriTemplate = uri, name = "t" } end
		return done(self, { resourceTemplates = templates })
	elseif m == "completion/complete" then
		return done(self, { completion = { values = json.array { p.argument.value .. "!" } } })
	elseif m == "resources/read" and (self.options.resources or {})[p.uri] then
		return done(self, { contents = json.array { { uri = p.uri, text = self.options.resources[p.uri] } } })
	end
	return "error", rpc_error(-32601, "Method not found")
end

-- A call that says or asks something before it answers, on a stream of its own.
function Server:talk(w, r, t, id_raw)
	local p = r.json.params
	w:begin_stream()
	local token = (p._meta or {}).progressToken
	for i = 1, token and t.progress or 0 do
		w:piece("data: " .. json.encode { jsonrpc = "2.0", method = "notifications/progress",
			params = { progressToken = token, progress = i, message = t.says } } .. "\n\n")
	end
	if t.ask then
		self.asked = (self.asked or 0) + 1
		local id = "ask-" .. self.asked
		w:piece("data: " .. json.encode { jsonrpc = "2.0", id = id, method = t.ask[1], params = t.ask[2] } .. "\n\n")
		if not w:hold(function() return self.answers[id] end) then return false end
		p.arguments = { answer = self.answers[id] }
	end
	local key, value = self:call(w, r)
	local event = "data: " .. splice(id_raw, key, value) .. "\n\n"
	local cut = t.cut and event:find(t.cut, 1, true) or 0
	if cut > 0 then w:piece(event:sub(1, cut)) end
	w:piece(event:sub(cut + 1))
	return w:end_stream()
end

-- Asks by its result and is called again with the answer.
function Server:input_required(r, t)
	local p = r.json.params
	if p.inputResponses then
		self.states[#self.states + 1] = p.requestState
		p.arguments = { answer = p.inputResponses.question }
		return nil
	end
	return json.encode { resultType = "input_required", requestState = "state of " .. self.name,
		inputRequests = { question = { method = t.ask[1], params = t.ask[2] } } }
end

-- -> "result" or "error", raw value; nil when the connection is to be dropped
function Server:call(w, r)
	local p = r.json.params or {}
	local args = p.arguments or {}
	self.calls[#self.calls + 1] = { name = p.name, args = args, raw = r.body, headers = r.headers }
	local t = self.by_name[p.name]
	if not t then return "error", rpc_error(-32602, "Unknown tool: " .. tostring(p.name)) end
	if t.hang and not w:hold(function() return self.released end) then
		if self.era ~= "sse" then self.aborted = self.aborted + 1 end
		return nil
	end
	if t.error then return "error", rpc_error(t.error[1], t.error[2]) end
	if t.raw then return "result", t.raw end
	local v = t.result
	if type(v) == "function" then v = v(args) end
	v = v or { content = json.array { { type = "text", text = p.name .. " done" } } }
	if self.era == "modern" and not v.resultType then v.resultType = "complete" end
	return "result", json.encode(v)
end

function Server:listen_stream(w, r, id_raw)
	local sent = #self.pushed -- what is pushed from here on, also while the stream begins
	w:begin_stream { ["cache-control"] = "no-cache" }
	w:piece('data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{' ..
		'"notifications":{"toolsListChanged":true},"_meta":{"' .. META .. 'subscriptionId":' .. id_raw .. '}}}\n\n')
	while w:hold(function() return #self.pushed > sent end) do
		sent = sent + 1
		w:piece("data: " .. json.encode(self.pushed[sent]) .. "\n\n")
	end
end

-- Says it to whoever listens.
function Server:push(method, params)
	self.pushed[#self.pushed + 1] = { jsonrpc = "2.0", method = method, params = params }
end

function Server:modern(w, r, id_raw)
	local m = r.json.method
	if m == "server/discover" then
		return w:reply(200, splice(id_raw, "result", json.encode {
			supportedVersions = json.array { MODERN }, capabilities = self:capabilities(),
			resultType = "complete", ttlMs = 0, cacheScope = "private",
			_meta = { [META .. "serverInfo"] = { name = self.name, version = "1.0.0" } } }))
	elseif m == "subscriptions/listen" then
		return self:listen_stream(w, r, id_raw)
	elseif m == "tools/list" then
		return w:reply(200, splice(id_raw, "result", self:list()))
	elseif m == "tools/call" then
		local t = self.by_name[(r.json.params or {}).name]
		if t and t.progress then return self:talk(w, r, t, id_raw) end
		local asks = t and t.ask and self:input_required(r, t)
		if asks then return w:reply(200, splice(id_raw, "result", asks)) end
		local key, value = self:call(w, r)
		if not key then return false end
		if t and t.http then return w:reply(table.unpack(t.http)) end
		return w:reply(200, t and t.malformed and "this is not JSON" or splice(id_raw, key, value))
	end
	local key, value = self:offers(m, r.json.params or {})
	if key == "result" then return w:reply(200, splice(id_raw, key, value)) end
	return w:reply(404, splice(id_raw, "error", rpc_error(-32601, "Method not found")))
end

function Server:legacy(w, r, id_raw)
	local m = r.json.method
	if m == "initialize" then
		self.sessions = self.sessions + 1
		return w:reply(200, splice(id_raw, "result", json.encode { protocolVersion = self.options.version or LEGACY,
			capabilities = self:capabilities(),
			serverInfo = { name = self.name, version = "1.0.0" } }),
			{ ["mcp-session-id"] = "rig-session-" .. self.sessions })
	elseif not r.headers["mcp-session-id"] then
		return w:reply(400, splice(id_raw, "error", rpc_error(-32000, "Bad Request: no session")))
	elseif m == "tools/list" then
		return w:reply(200, splice(id_raw, "result", self:list()))
	elseif m == "tools/call" then
		local t = self.by_name[(r.json.params or {}).name]
		if t and (t.progress or t.ask) then return self:talk(w, r, t, id_raw) end
		local key, value = self:call(w, r)
		if not key then return false end
		if t and t.http then return w:reply(table.unpack(t.http)) end
		return w:reply(200, t and t.malformed and "this is not JSON" or splice(id_raw, key, value))
	elseif m == "ping" then
		return w:reply(200, splice(id_raw, "result", "{}"))
	end
	return w:reply(200, splice(id_raw, self:offers(m, r.json.params or {})))
end

-- HTTP+SSE of 2024-11-05: answers come on the one stream; what hangs never answers.
function Server:sse(w, r)
	if r.method == "GET" and r.target == "/mcp" then
		self.streams = (self.streams or 0) + 1
		local me, out = self.streams, {}
		self.out = out
		w:begin_stream()
		if self.options.endpoint ~= false then
			w:piece("event: endpoint\ndata: " .. (self.options.endpoint or "/messages?session=" .. me) .. "\n\n")
		end
		local sent = 0
		while w:hold(function() return #out > sent or self.dropped == me end) do
			if self.dropped == me then
				w:end_stream()
				return false
			end
			sent = sent + 1
			w:piece("event: message\ndata: " .. out[sent] .. "\n\n")
		end
		return false
	elseif r.method ~= "POST" or r.target ~= "/messages?session=" .. (self.streams or 0) then
		return w:reply(r.target == "/mcp" and 405 or 404, "")
	end
	self.methods[#self.methods + 1] = r.json.method
	if r.json.method == "notifications/cancelled" then self.aborted = self.aborted + 1 end
	local ok = w:reply(202, "Accepted")
	if r.json.id ~= nil and r.json.method then
		r.headers["mcp-session-id"] = "the stream"
		self:legacy({ reply = function(_, _, body) self.out[#self.out + 1] = body end, hold = function() return false end },
			r, json.encode(r.json.id))
	end
	return ok
end
-- The stream ends.
function Server:drop() self.dropped = self.streams end

function Server:serve(w)
	while true do
		local r = w:request()
		if not r then return end
		self.requests[#self.requests + 1] = r
		local ok, status, body, headers
		if self.options.tokens then status, body, headers = rig.token_check(self, r) end
		if status then
			ok = w:reply(status, body, headers)
		elseif self.era == "sse" then
			ok = self:sse(w, r)
		elseif r.method ~= "POST" then
			ok = w:reply(r.method == "DELETE" and self.era == "legacy" and 200 or 405, "")
		elseif not r.json then
			ok = w:reply(400, splice("null", "error", rpc_error(-32700, "Parse error")))
		else
			self.methods[#self.methods + 1] = r.json.method
			if not r.json.method then
				self.answers[r.json.id] = r.json.result or r.json.error
				ok = w:reply(202, "")
			elseif r.json.id == nil then
				ok = w:reply(202, "")
			else
				ok = self[self.era](self, w, r, json.encode(r.json.id))
			end
		end
		if not ok then return end
	end
end

function Server:release() self.released = true end
function Server:wait_calls(n)
	wait_for(n .. " calls at " .. self.name, function() return #self.calls >= n end)
end
function Server:wait_aborted(n)
	wait_for(n .. " cancelled calls at " .. self.name, function() return self.aborted >= n end)
end

function mcp_server(name)
	if type(name) == "table" then return mcp_server "fake" (name) end
	return function(options)
		local s = setmetatable({ name = name, options = options, yaml = options.yaml, era = options.era or "modern", tools = {},
			by_name = {}, calls = {}, methods = {}, requests = {}, sessions = 0, aborted = 0, answers = {}, states = {}, pushed = {} }, Server)
		for i, t in ipairs(options.tools or {}) do
			s.tools[i] = type(t) == "string" and { name = t } or t
			s.by_name[s.tools[i].name] = s.tools[i]
		end
		s.tls = options.tls and { server = true, cert = options.tls.cert, key = options.tls.key }
		s.port, s.door = rig.server(function(w) s:serve(w) end, s.tls)
		s.url = (options.tls and "https://localhost:" or "http://127.0.0.1:") .. s.port .. "/mcp"
		return s
	end
end

-- ---- the client ----

local Mcp = {}
Mcp.__index = Mcp

-- The answer to id among the events of a stream; notifications before it are collected.
local function answer_in_stream(self, r, id)
	while true do
		local e, why = r:event()
		if not e then rig.fail("the stream ended without an answer: " .. tostring(why)) end
		if e.json and e.json.id == id then
			while r:event() do end
			return e.json, e.data
		end
		self.notes[#self.notes + 1] = e.json
	end
end

function Mcp:rpc(method, params)
	self.id = self.id + 1
	local p = {}
	for k, v in pairs(params or {}) do p[k] = v end
	p._meta = p._meta or {}
	p._meta[META .. "protocolVersion"] = MODERN
	p._meta[META .. "clientCapabilities"] = self.capabilities or {}
	p._meta[META .. "clientInfo"] = { name = "rig", version = "1.0.0" }
	local r = self.c:begin { method = "POST", path = self.mcp_path or "/mcp",
		body = json.encode { jsonrpc = "2.0", id = self.id, method = method, params = p },
		headers = { accept = "application/json, text/event-stream", ["mcp-protocol-version"] = MODERN,
			["mcp-method"] = method, ["mcp-name"] = p.name or p.uri, ["x-claude-code-session-id"] = self.session } }
	local answer, raw
	if (r.headers["content-type"] or ""):find("event-stream", 1, true) then
		answer, raw = answer_in_stream(self, r, self.id)
	else
		r:read_body()
		answer, raw = r.json, r.body
	end
	if type(answer) ~= "table" then rig.fail("not an answer: " .. r.status .. " " .. rig.show(r.body)) end
	local out = answer.result or { error = answer.error or answer }
	out.status, out.raw, out.id_matches = r.status, raw, answer.id == self.id
	return out
end

function Mcp:definitions()
	local list, cursor = {}, nil
	repeat
		local r = self:rpc("tools/list", { cursor = cursor })
		if r.error then rig.fail("tools/list: " .. rig.show(r.error)) end
		for _, t in ipairs(r.tools) do list[#list + 1] = t end
		cursor = r.nextCursor
	until not cursor
	return list
end

function Mcp:tools()
	local names = {}
	for i, t in ipairs(self:definitions()) do names[i] = t.name end
	table.sort(names)
	return names
end

function Mcp:call(name, args) return self:rpc("tools/call", { name = name, arguments = args or {} }) end
function Mcp:close() self.c:close() end

function mcp_client(o)
	return setmetatable({ c = client { port = o.port, headers = o.headers }, id = 0, notes = {},
		mcp_path = o.path }, Mcp)
end

-- A legacy client: its session, and how it posts.
function legacy_client(gw, key, capabilities)
	local c = gw:client(key)
	local headers = { accept = "application/json, text/event-stream", ["mcp-protocol-version"] = "2025-11-25" }
	local r = c:post("/mcp", json.encode { jsonrpc = "2.0", id = 1, method = "initialize", params = {
		protocolVersion = "2025-11-25", capabilities = capabilities or { x = true },
		clientInfo = { name = "t", version = "1" } } }, headers)
	headers["mcp-session-id"] = r.headers["mcp-session-id"]
	return { post = function(m) return gw:client(key):post("/mcp", json.encode(m), headers) end,
		stream = function(m) return gw:client(key):stream("/mcp", json.encode(m), headers) end,
		get = function() return gw:client(key):begin { path = "/mcp", headers = headers } end,
		delete = function() return gw:client(key):request { method = "DELETE", path = "/mcp", headers = headers } end }
end
