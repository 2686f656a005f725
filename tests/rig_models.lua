-- SPDX-License-Identifier: Apache-2.0
--
-- rig_models - fake models for agents that are not Anthropic's: each reply is the script's, counted by
-- the tool results that the request carries.
--
--   local m = responses_model { { tool = "notes__get_note", input = { id = "n-1" } }, { text = "FINAL" } }
--   local m = gemini_model { ... }     the same over Gemini's API
--     before = function(n)             in the second argument's table: runs before reply n + 1
--   m.url, m.requests[i].json, m.results[k]   what the k-th tool call gave, as the model is told

local Model = {}
Model.__index = Model

local function model(script, options, serve)
	local m = setmetatable({ script = script, options = options or {}, requests = {}, results = {} }, Model)
	m.url = "http://127.0.0.1:" .. rig.server(function(w)
		while true do
			local r = w:request()
			if not r then return end
			m.requests[#m.requests + 1] = r
			if not serve(m, w, r) then return end
		end
	end)
	return m
end

function Model:step(n)
	if self.options.before then self.options.before(n) end
	return self.script[n + 1] or { text = "there is no more" }
end

local function event(w, kind, body)
	body.type = kind
	w:piece((kind and "event: " .. kind .. "\n" or "") .. "data: " .. json.encode(body) .. "\n\n")
end

-- ---- OpenAI's Responses API ----

-- The namespace of a tool that the request or a search has brought; nil: it is not there.
local function namespace_of(r, name)
	local lists = { r.json.tools or {} }
	for _, item in ipairs(r.json.input) do
		if item.type == "tool_search_output" then lists[#lists + 1] = item.tools end
	end
	for _, list in ipairs(lists) do
		for _, t in ipairs(list) do
			for _, inner in ipairs(t.type == "namespace" and t.tools or {}) do
				if inner.name == name then return t.name end
			end
			if t.name == name then return false end
		end
	end
end

local function output_of(r, step, id)
	if step.text then
		return { type = "message", id = "msg_" .. id, status = "completed", role = "assistant",
			content = json.array { { type = "output_text", text = step.text, annotations = json.array() } } }
	end
	local space = namespace_of(r, step.tool)
	if space == nil then
		return { type = "tool_search_call", id = "tsc_" .. id, call_id = "search_" .. id, status = "completed",
			execution = "client", arguments = { query = step.tool:gsub("_+", " "), limit = 8 } }
	end
	return { type = "function_call", id = "fc_" .. id, call_id = "call_" .. id, status = "completed", name = step.tool,
		namespace = space or nil, arguments = json.encode(step.input) }
end

local function responses_serve(m, w, r)
	if r.method ~= "POST" or not r.target:find("/responses", 1, true) then
		return w:reply(r.method == "GET" and r.target:find("/responses", 1, true) and 426 or 404, "{}")
	end
	local n = 0
	for _, item in ipairs(r.json.input) do
		if item.type == "function_call_output" then
			n = n + 1
			m.results[n] = json.encode(item.output)
		end
	end
	local id = tostring(#m.requests)
	local item = output_of(r, m:step(n), id)
	local reply = { id = "resp_" .. id, object = "response", model = r.json.model, status = "in_progress", output = json.array() }
	w:begin_stream()
	event(w, "response.created", { response = reply })
	event(w, "response.output_item.added", { output_index = 0, item = item })
	event(w, "response.output_item.done", { output_index = 0, item = item })
	reply.status, reply.output = "completed", json.array { item }
	reply.usage = { input_tokens = 10, output_tokens = 5, total_tokens = 15, input_tokens_details = { cached_tokens = 0 },
		output_tokens_details = { reasoning_tokens = 0 } }
	event(w, "response.completed", { response = reply })
	return w:end_stream()
end

function responses_model(script, options) return model(script, options, responses_serve) end

-- ---- Gemini's API ----

local function gemini_reply(parts)
	return { candidates = json.array { { content = { role = "model", parts = json.array(parts) }, index = 0, finishReason = "STOP" } },
		usageMetadata = { promptTokenCount = 10, candidatesTokenCount = 5, totalTokenCount = 15 } }
end

local function gemini_serve(m, w, r)
	if not r.target:find(":streamGenerateContent", 1, true) then
		local choice = '{"complexity_reasoning":"r","complexity_score":1,"reasoning":"r","model_choice":"flash"}'
		return w:reply(200, json.encode(r.target:find(":countTokens", 1, true) and { totalTokens = 10 } or gemini_reply { { text = choice } }))
	end
	local n = 0
	for _, c in ipairs(r.json.contents) do
		for _, p in ipairs(c.parts) do
			if p.functionResponse then
				n = n + 1
				m.results[n] = json.encode(p.functionResponse)
			end
		end
	end
	local step = m:step(n)
	w:begin_stream()
	event(w, nil, gemini_reply { step.text and { text = step.text } or { functionCall = { name = step.tool, args = step.input } } })
	return w:end_stream()
end

function gemini_model(script, options) return model(script, options, gemini_serve) end
