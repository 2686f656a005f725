-- SPDX-License-Identifier: Apache-2.0
--
-- rig_http - HTTP/1.1 as the scenarios need it: a raw client, a server that records exact bytes,
-- and the fake model provider.
--
--   local up = provider { text = "hello", usage = { input_tokens = 10, output_tokens = 5 } }
--     text, chunks, usage     the reply; chunks deltas when the request asks for a stream
--     content                 its blocks, instead of text: { type = "text" | "tool_use", ... }
--     hold = true             every reply waits for up:release(n)
--     hold_after = k          a stream waits after its k-th event
--     hold_within = k         a stream waits in the middle of its k-th event
--     events = { text, … }    a stream of another API: these, as they are
--     cut_after = k           a stream is reset after its k-th event (0: before any byte)
--     status, body, headers   a reply of your own (body: text or table)
--     on = function(req) ...  returns a table of the above, per request
--   up.requests[i]            { method, target, headers, body, raw, json }
--   up.usage                  what it has told in complete replies: requests, input, output tokens
--   up.aborted                replies whose client went away first
--
--   local c = client { port = gw.port, headers = { ... } }
--   c:post("/path", body)     -> { status, headers, body, json }; also c:get, c:request{}
--   c:stream("/path", body)   -> the same without the body; then r:event() until nil
--   c:send(bytes), c:recv(), c:response(), c:finish(), c:reset(), c:closed()

-- ---- bytes ----

local Wire = {}
Wire.__index = Wire

local function wire(fd) return setmetatable({ fd = rig.own(fd), buf = "" }, Wire) end
rig.wire = wire

-- Goes on in TLS; false and why when the handshake fails.
function Wire:secure(options)
	local t, what, dir = sys.tls(self.fd, options)
	if not t then return false, what end
	while true do
		local ok
		ok, what, dir = t:handshake()
		if ok then break end
		if what ~= "again" or not rig.wait_fd(self.fd, dir) then return false, what end
	end
	self.tls = t
	return true
end

-- Reads more; false and why at the end of the stream.
function Wire:fill(until_ms)
	while true do
		local data, why
		if self.tls then data, why = self.tls:read() else data, why = sys.read(self.fd) end
		if data then
			self.buf = self.buf .. data
			return true
		end
		if why ~= "again" then
			self.ended = why
			return false, why
		end
		if not rig.wait_fd(self.fd, "r", until_ms) then return false, "late" end
	end
end

function Wire:send(bytes)
	local at = 0
	while at < #bytes do
		local n, why
		if self.tls then n, why = self.tls:write(bytes, at) else n, why = sys.write(self.fd, bytes, at) end
		if n then
			at = at + n
		elseif why ~= "again" then
			return false, why
		elseif not rig.wait_fd(self.fd, "w") then
			return false, "late"
		end
	end
	return true
end

function Wire:take(n)
	while #self.buf < n do
		local ok, why = self:fill()
		if not ok then return nil, why end
	end
	local s = self.buf:sub(1, n)
	self.buf = self.buf:sub(n + 1)
	return s
end

function Wire:up_to(mark)
	local from = 1
	while true do
		local i, j = self.buf:find(mark, from, true)
		if i then
			local s = self.buf:sub(1, j)
			self.buf = self.buf:sub(j + 1)
			return s
		end
		from = math.max(1, #self.buf - #mark + 1)
		local ok, why = self:fill()
		if not ok then return nil, why end
	end
end

local function parse_headers(text)
	local headers, list = {}, {}
	for name, value in text:gmatch("([^\r\n:]+):[ \t]*([^\r\n]*)\r\n") do
		local key = name:lower()
		headers[key] = headers[key] and headers[key] .. ", " .. value or value
		list[#list + 1] = { name, value }
	end
	return headers, list
end

-- The next piece of a chunked body; "" at its end.
function Wire:chunk()
	local line, why = self:up_to("\r\n")
	if not line then return nil, why end
	local n = tonumber(line:match("^%x+") or "", 16)
	if not n then return nil, "bad chunk size " .. rig.show(line) end
	local data = self:take(n + 2)
	return data and data:sub(1, n)
end

function Wire:chunked_body()
	local out = {}
	while true do
		local piece, why = self:chunk()
		if not piece then return nil, why end
		if piece == "" then return table.concat(out) end
		out[#out + 1] = piece
	end
end

-- ---- the server side ----

function Wire:request()
	local head = self:up_to("\r\n\r\n")
	if not head then return nil end
	local method, target = head:match("^(%u+) (%S+) HTTP/1%.1\r\n")
	local r = { method = method, target = target, head = head }
	r.headers, r.header_list = parse_headers(head:sub((head:find("\r\n", 1, true) or 0) + 2))
	if (r.headers["transfer-encoding"] or ""):find("chunked") then
		r.body = self:chunked_body()
	else
		r.body = self:take(tonumber(r.headers["content-length"] or "0"))
	end
	if not r.body then return nil end
	r.raw = head .. r.body
	r.json = json.try(r.body)
	return r
end

local REASONS = { [200] = "OK", [202] = "Accepted", [400] = "Bad Request", [404] = "Not Found",
	[405] = "Method Not Allowed", [429] = "Too Many Requests", [500] = "Internal Server Error",
	[529] = "Overloaded" }

local function reply_head(status, headers)
	local out = { string.format("HTTP/1.1 %d %s\r\n", status, REASONS[status] or "Status") }
	for name, value in pairs(headers) do out[#out + 1] = name .. ": " .. value .. "\r\n" end
	return table.concat(out) .. "\r\n"
end

function Wire:reply(status, body, headers)
	local h = { ["content-type"] = "application/json", ["content-length"] = tostring(#body) }
	for k, v in pairs(headers or {}) do h[k] = v end
	return self:send(reply_head(status, h) .. body)
end

function Wire:begin_stream(headers)
	local h = { ["content-type"] = "text/event-stream", ["transfer-encoding"] = "chunked" }
	for k, v in pairs(headers or {}) do h[k] = v end
	return self:send(reply_head(200, h))
end
function Wire:piece(bytes) return self:send(string.format("%x\r\n%s\r\n", #bytes, bytes)) end
function Wire:end_stream() return self:send("0\r\n\r\n") end

-- Listens; serve(wire) runs as a party of its own for each connection.
-- -> port, door: door.shut() ends what is connected and refuses what comes, until door.open().
function rig.server(serve, tls)
	local door, wires = {}, {}
	local function accept(fd)
		while door.fd == fd do
			local c = sys.accept(fd)
			if c then
				wires[c] = true
				spawn(function()
					local w = wire(c)
					if not tls or w:secure(tls) then serve(w) end
					wires[c] = nil
					rig.close(c)
				end)
			else
				rig.wait_either(fd, function() return door.fd ~= fd end)
			end
		end
	end
	function door.open()
		door.fd, door.port = sys.listen(door.port)
		spawn(accept, rig.own(door.fd))
	end
	function door.shut()
		local fd = door.fd
		door.fd = nil
		rig.close(fd)
		for c in pairs(wires) do sys.finish(c) end
	end
	door.open()
	return door.port, door
end

-- True when the peer has gone while we hold its reply.
local function peer_gone(w)
	local data, why
	if w.tls then data, why = w.tls:read() else data, why = sys.read(w.fd) end
	if data then w.buf = w.buf .. data end
	return not data and why ~= "again"
end

-- Waits until f() is true or the peer goes; true when f() came first.
function Wire:hold(f)
	while not f() do
		if peer_gone(self) then return false end
		if not rig.wait_either(self.fd, f) then return false end
	end
	return true
end

-- ---- the fake provider ----

local Provider = {}
Provider.__index = Provider

-- The reply's blocks, and why it ends there.
local function content_of(o)
	local list = o.content or { { type = "text", text = o.text or "hello" } }
	for _, b in ipairs(list) do if b.type == "tool_use" then return list, "tool_use" end end
	return list, "end_turn"
end

local function message(o, usage)
	local content, stop = content_of(o)
	return {
		id = "msg_rig", type = "message", role = "assistant", model = o.model or "claude-sonnet-4-6",
		content = json.array(content), stop_reason = stop, stop_sequence = json.null, usage = usage,
	}
end

-- What a block's deltas tell: a list of blocks tells each once, in halves; a lone text as often as
-- o.chunks says.
local function pieces_of(o, whole)
	local half, list = #whole // 2, {}
	if o.content then return { whole:sub(1, half), whole:sub(half + 1) } end
	for i = 1, o.chunks or 3 do list[i] = whole end
	return list
end

local function block_events(list, index, block, o)
	local function add(e) list[#list + 1] = e end
	local tool = block.type == "tool_use"
	add { type = "content_block_start", index = index, content_block = tool and
		{ type = "tool_use", id = block.id, name = block.name, input = {} } or { type = "text", text = "" } }
	if index == 0 then add { type = "ping" } end
	for _, piece in ipairs(pieces_of(o, tool and json.encode(block.input or {}) or block.text)) do
		add { type = "content_block_delta", index = index, delta = tool and
			{ type = "input_json_delta", partial_json = piece } or { type = "text_delta", text = piece } }
	end
	add { type = "content_block_stop", index = index }
end

local function stream_events(o, usage)
	local start = message(o, { input_tokens = usage.input_tokens, output_tokens = 1,
		cache_creation_input_tokens = usage.cache_creation_input_tokens,
		cache_read_input_tokens = usage.cache_read_input_tokens })
	start.content, start.stop_reason = json.array(), json.null
	local content, stop = content_of(o)
	local list = { { type = "message_start", message = start } }
	for i, block in ipairs(content) do block_events(list, i - 1, block, o) end
	list[#list + 1] = { type = "message_delta", delta = { stop_reason = stop, stop_sequence = json.null },
		usage = { output_tokens = usage.output_tokens } }
	list[#list + 1] = { type = "message_stop" }
	return list
end

function Provider:stream(w, o, usage)
	if o.cut_after == 0 then rig.reset(w.fd) return false end
	if not w:begin_stream(o.headers) then return false end
	local function hold()
		local until_released = self.released
		return w:hold(function() return self.released > until_released end)
	end
	for i, e in ipairs(o.events or stream_events(o, usage)) do
		local text = type(e) == "string" and e or "event: " .. e.type .. "\ndata: " .. json.encode(e) .. "\n\n"
		if o.hold_after == i - 1 and not hold() then return false end
		if o.hold_within == i then
			if not w:piece(text:sub(1, #text // 2)) or not hold() then return false end
			text = text:sub(#text // 2 + 1)
		end
		if not w:piece(text) then return false end
		self.events = self.events + 1
		if o.cut_after == i then rig.reset(w.fd) return false end
	end
	return w:end_stream()
end

function Provider:answer(w, r)
	local o = setmetatable(self.options.on and self.options.on(r) or {}, { __index = self.options })
	local usage = o.usage or { input_tokens = 10, output_tokens = 5 }
	self.waiting = self.waiting + 1
	local mine = self.waiting
	if o.hold and not w:hold(function() return self.released >= mine end) then return false end
	if o.cut_after and not (r.json and r.json.stream) then rig.reset(w.fd) return false end
	if o.status or o.body then
		local body = type(o.body) == "table" and json.encode(o.body) or o.body or "{}"
		return w:reply(o.status or 200, body, o.headers)
	end
	if r.target:find("count_tokens", 1, true) then return w:reply(200, '{"input_tokens":10}') end
	local ok
	if o.events or (r.json and r.json.stream == true) then
		ok = self:stream(w, o, usage)
	else
		ok = w:reply(200, json.encode(message(o, usage)), o.headers)
	end
	if ok then
		self.usage.requests = self.usage.requests + 1
		self.usage.input_tokens = self.usage.input_tokens + usage.input_tokens
		self.usage.output_tokens = self.usage.output_tokens + usage.output_tokens
	end
	return ok
end

function Provider:release(n) self.released = n and self.released + n or math.maxinteger end

-- Until n requests have arrived, whole.
function Provider:wait(n)
	wait_for(n .. " requests at the provider", function() return #self.requests >= n end)
	return self.requests[n]
end
function Provider:wait_aborted(n)
	wait_for(n .. " aborted replies", function() return self.aborted >= n end)
end

function provider(options)
	local p = setmetatable({ options = options or {}, requests = {}, waiting = 0, released = 0, events = 0,
		aborted = 0, usage = { requests = 0, input_tokens = 0, output_tokens = 0 } }, Provider)
	p.port = rig.server(function(w)
		while true do
			local r = w:request()
			if not r then return end
			p.requests[#p.requests + 1] = r
			if not p:answer(w, r) then
				p.aborted = p.aborted + 1
				return
			end
		end
	end, p.options.tls and { server = true, cert = p.options.tls.cert, key = p.options.tls.key })
	p.url = p.options.tls and "https://localhost:" .. p.port or "http://127.0.0.1:" .. p.port
	return p
end

-- ---- the client ----

local Client = {}
Client.__index = Client
local Reply = {}
Reply.__index = Reply

function Client:wire()
	if not self.w then
		local fd, why = sys.connect(self.port or self.path, self.window)
		if not fd then rig.fail("cannot connect to " .. tostring(self.port or self.path) .. ": " .. why) end
		self.w = wire(fd)
		if self.tls then
			local ok, what = self.w:secure(self.tls)
			if not ok then
				self:close()
				error({ failed = "no TLS with " .. self.port .. ": " .. tostring(what), tls = what }, 0)
			end
		end
	end
	return self.w
end

function Client:send(bytes) return self:wire():send(bytes) end
function Client:finish() sys.finish(self:wire().fd) end
function Client:close()
	if self.w then rig.close(self.w.fd) self.w = nil end
end
function Client:reset()
	if self.w then rig.reset(self.w.fd) self.w = nil end
end

-- Some bytes, as they come; nil at the end.
function Client:recv()
	local w = self:wire()
	if w.buf == "" and not w:fill() then return nil end
	local s = w.buf
	w.buf = ""
	return s
end

-- True once the other side has closed, with nothing more to read.
function Client:closed()
	local w = self:wire()
	while w:fill() do end
	return w.ended ~= nil and w.buf == ""
end

local function bodyless(status, method) return method == "HEAD" or status == 204 or status == 304 or status < 200 end

-- The head of the next reply; interim replies (100) are collected in .interim.
function Client:head(method)
	local w, interim = self:wire(), {}
	while true do
		local head, why = w:up_to("\r\n\r\n")
		if not head then rig.fail("no reply: " .. tostring(why) .. ", read so far " .. rig.show(w.buf)) end
		local status = tonumber(head:match("^HTTP/1%.1 (%d%d%d) "))
		if not status then rig.fail("not a reply: " .. rig.show(head)) end
		if status >= 200 then
			local r = setmetatable({ status = status, head = head, w = w, method = method,
				interim = interim, rest = "" }, Reply)
			r.headers, r.header_list = parse_headers(head:sub((head:find("\r\n", 1, true)) + 2))
			r.chunked = (r.headers["transfer-encoding"] or ""):find("chunked") ~= nil
			r.left = tonumber(r.headers["content-length"] or "")
			if bodyless(status, method) then r.left = 0 end
			return r
		end
		interim[#interim + 1] = status
	end
end

-- The next piece of the body; nil at its end, false and why when it was cut.
function Reply:piece()
	if self.over then return nil end
	local s, why
	if self.chunked then
		s, why = self.w:chunk()
		if s == "" then self.over = true return nil end
	elseif self.left then
		if self.left == 0 then self.over = true return nil end
		if self.w.buf == "" then
			local ok
			ok, why = self.w:fill()
			if not ok then self.over, self.cut = true, why return false, why end
		end
		s = self.w:take(math.min(self.left, #self.w.buf))
		self.left = self.left - #s
	else
		if self.w.buf == "" and not self.w:fill() then
			self.over = true
			if self.w.ended ~= "eof" then self.cut = self.w.ended return false, self.cut end
			return nil
		end
		s = self.w:take(#self.w.buf)
	end
	if not s then self.over, self.cut = true, why or "cut" return false, self.cut end
	return s
end

function Reply:read_body()
	local out = {}
	while true do
		local s, why = self:piece()
		if s == false then rig.fail("the reply was cut: " .. tostring(why)) end
		if not s then break end
		out[#out + 1] = s
	end
	self.body = table.concat(out)
	self.json = json.try(self.body)
	return self
end

-- The next server-sent event { event, data, json }; nil at the end, false and why when cut.
function Reply:event()
	while true do
		local block, after = self.rest:match("^(.-)\r?\n\r?\n()")
		if block then
			self.rest = self.rest:sub(after)
			local e = { raw = block, event = block:match("event: ?([^\r\n]*)"), data = {} }
			for line in (block .. "\n"):gmatch("data: ?([^\r\n]*)\r?\n") do e.data[#e.data + 1] = line end
			e.data = table.concat(e.data, "\n")
			e.json = json.try(e.data)
			if e.event or e.data ~= "" then return e end
		else
			local s, why = self:piece()
			if not s then return s, why end
			self.rest = self.rest .. s
		end
	end
end

function Client:response(method) return self:head(method):read_body() end

local function add_headers(out, seen, headers)
	for name, value in pairs(headers or {}) do
		if not seen[name:lower()] and value then
			seen[name:lower()] = true
			out[#out + 1] = name .. ": " .. value .. "\r\n"
		end
	end
end

-- The bytes of a request, for pipelining.
function Client:bytes(o)
	local body = type(o.body) == "table" and json.encode(o.body) or o.body
	local out, seen = { (o.method or "GET") .. " " .. o.path .. " HTTP/1.1\r\n" }, {}
	add_headers(out, seen, o.headers)
	add_headers(out, seen, self.headers)
	add_headers(out, seen, { host = "127.0.0.1:" .. tostring(self.port or 0) })
	if body then
		add_headers(out, seen, { ["content-type"] = "application/json" })
		if not seen["transfer-encoding"] then add_headers(out, seen, { ["content-length"] = tostring(#body) }) end
	end
	return table.concat(out) .. "\r\n" .. (body or "")
end

function Client:begin(o)
	if not self:send(self:bytes(o)) then rig.fail("the connection was closed while sending") end
	return self:head(o.method)
end
function Client:request(o) return self:begin(o):read_body() end
function Client:get(path, headers) return self:request { path = path, headers = headers } end
function Client:post(path, body, headers)
	return self:request { method = "POST", path = path, body = body, headers = headers }
end
function Client:stream(path, body, headers)
	return self:begin { method = "POST", path = path, body = body, headers = headers }
end

-- The smallest request for a model.
function Client:message(o)
	local body = { model = "claude-sonnet-4-6", max_tokens = 100,
		messages = json.array { { role = "user", content = "hi" } } }
	for k, v in pairs(o or {}) do body[k] = v end
	if body.stream then return self:stream("/anthropic/v1/messages", body) end
	return self:post("/anthropic/v1/messages", body)
end

function client(o) return setmetatable(o, Client) end
