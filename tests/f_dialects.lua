-- SPDX-License-Identifier: Apache-2.0
-- OpenAI's and Google's APIs: what passes is what the client sent, what is refused never leaves, and what it cost is
-- what the provider says.

local RULES = [[
version: 1
organisation: { contact: "#ai", customers: { acme: { teams: { core: { users: { ana: {} } } } } } }
policy: models
applies_to: "*"
rules:
  - allow: "model:*"
]]
local MODELS = [[
models:
  gpt-5.5: { provider: openai }
  text-embedding-3-small: { provider: openai }
  gemini-3.8-flash: { provider: genai }
  claude-sonnet-4-6: { provider: anthropic }
aliases: { gpt: gpt-5.5, flash: gemini-3.8-flash }
]]
-- A token of output costs 10 micro-dollars, one of input 1, a cached one 0.1; at most 1,000 come out.
local PRICES = [[
version: 1
date: 2026-11-01
models:
  gpt-5.5: { input: 1, output: 10, cache_read: 0.1, max_output: 1000 }
  text-embedding-3-small: { input: 1, output: 10, max_output: 1000 }
  gemini-3.8-flash: { input: 1, output: 10, cache_read: 0.1, max_output: 1000 }
  claude-sonnet-4-6: { input: 3, output: 15, max_output: 1000 }
]]
local CHAT, RESPONSES, EMBEDDINGS = "/openai/v1/chat/completions", "/openai/v1/responses", "/openai/v1/embeddings"
local GENERATE = "/genai/v1beta/models/gemini-3.8-flash:generateContent"
local STREAM = "/genai/v1beta/models/gemini-3.8-flash:streamGenerateContent"
local COUNT = "/genai/v1beta/models/gemini-3.8-flash:countTokens"

-- Three providers that answer what `o` says, a gateway before them, and a client.
local function world(o)
	o = o or {}
	local ups = {}
	for name, kind in pairs { openai = "openai", genai = "genai", anthropic = "anthropic" } do
		ups[name] = provider { kind = kind, body = not o.events and (o.body or "{}") or nil, headers = o.headers, status = o.status, hold = o.hold,
			events = o.events, hold_after = o.hold_after }
	end
	local gw = gateway { providers = ups, yaml = MODELS, prices = PRICES, clock = o.clock, env = o.env,
		policies = { ["root/all.yaml"] = o.policy or RULES .. (o.rules or "") } }
	local key = gw:key { name = "laptop", user = "ana" }
	return gw, ups, gw:client(key), key
end

local function last(gw)
	local rows = gw:audit()
	return rows[#rows]
end

local function sent(ups) return #ups.openai.requests + #ups.genai.requests + #ups.anthropic.requests end

-- Every form, what it is called in policies, and where it is asked.
local FORMS = {
	{ RESPONSES, '"tools":[{"type":"web_search"}]', "web_search" },
	{ RESPONSES, '"tools":[{"type":"web_search_2025_08_26"}]', "web_search" },
	{ RESPONSES, '"tools":[{"type":"function","name":"f"},{"type":"web_search_preview"}]', "web_search_preview" },
	{ RESPONSES, '"tools":[{"type":"file_search","vector_store_ids":["v"]}]', "file_search" },
	{ RESPONSES, '"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]', "code_interpreter" },
	{ RESPONSES, '"tools":[{"type":"image_generation"}]', "image_generation" },
	{ RESPONSES, '"tools":[{"type":"computer_use_preview"}]', "computer_use_preview" },
	{ RESPONSES, '"tools":[{"type":"local_shell"}]', "local_shell" },
	{ RESPONSES, '"tools":[{"type":"shell"}]', "shell" },
	{ RESPONSES, '"tools":[{"type":"programmatic_tool_calling"}]', "programmatic_tool_calling" },
	{ RESPONSES, '"tools":[{"type":"of_tomorrow"}]', "of_tomorrow" },
	{ RESPONSES, '"tools":[{"type":"mcp","server_label":"m","server_url":"https://Mcp.Example.COM./sse"}]', "mcp/mcp.example.com" },
	{ RESPONSES, '"tools":[{"type":"mcp","server_label":"m","connector_id":"connector_gmail"}]', "mcp_connector/connector_gmail" },
	{ RESPONSES, '"tools":[{"type":"mcp","server_label":"m","tunnel_id":"tunnel_1"}]', "mcp_tunnel/tunnel_1" },
	{ RESPONSES, '"tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"},{"type":"web_search"}]}]', "web_search" },
	{ RESPONSES, '"input":[{"type":"message","content":"x"},{"type":"tool_search_output","tools":[{"type":"web_search"}]}]', "web_search" },
	{ RESPONSES, '"input":[{"type":"of_tomorrow","tools":[{"type":"mcp","server_url":"https://a.example"}]}]', "mcp/a.example" },
	{ RESPONSES, '"t\\u006fols":[{"t\\u0079pe":"web\\u005fsearch"}]', "web_search" },
	{ RESPONSES, '"prompt":{"id":"pmpt_1"}', "stored_prompt" },
	{ RESPONSES, '"previous_response_id":"resp_1"', "stored_response" },
	{ RESPONSES, '"conversation":"conv_1"', "stored_conversation" },
	{ RESPONSES, '"background":true', "background" },
	{ RESPONSES, '"input":[{"type":"item_reference","id":"msg_1"}]', "stored_item" },
	{ RESPONSES, '"input":[{"id":"msg_1"}]', "stored_item" },
	{ RESPONSES, '"input":[{"id":"msg_1","type":null,"role":"user"}]', "stored_item" },
	{ RESPONSES, '"input":[{"type":"image_generation_call","id":"ig_1"}]', "stored_item" },
	{ RESPONSES, '"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]', "stored_file" },
	{ RESPONSES, '"input":[{"type":"function_call_output","output":[{"type":"input_image","f\\u0069le_id":"file-1"}]}]', "stored_file" },
	{ CHAT, '"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]', "stored_file" },
	{ GENERATE, '"contents":[{"parts":[{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/a"}}]}]', "stored_file" },
	{ GENERATE, '"contents":[{"parts":[{"file_data":{"file_uri":"files/a"}}]}]', "stored_file" },
	{ GENERATE, '"system_instruction":{"parts":[{"fileData":{"fileUri":"https://Generativelanguage.GOOGLEAPIS.com./x"}}]}', "stored_file" },
	{ CHAT, '"models":["gpt-5.5","o-pro"]', "models" },
	{ CHAT, '"route":"fallback"', "models" },
	{ RESPONSES, '"models":["o-pro"]', "models" },
	{ CHAT, '"preset":"mine"', "preset" },
	{ CHAT, '"service_tier":"priority"', "service_tier" },
	{ RESPONSES, '"service_tier":"priority"', "service_tier" },
	{ CHAT, '"web_search_options":{}', "web_search" },
	{ CHAT, '"search_parameters":{"mode":"on"}', "search_parameters" },
	{ CHAT, '"plugins":[{"id":"web"}]', "plugins" },
	{ CHAT, '"tools":[{"type":"browser_search"}]', "browser_search" },
	{ CHAT, '"tools":[{"type":"function","function":{"name":"f"}},{"type":"mcp","server_url":"https://a.example"}]', "mcp/a.example" },
	{ GENERATE, '"tools":[{"googleSearch":{}}]', "google_search" },
	{ GENERATE, '"tools":[{"google_search":{}}]', "google_search" },
	{ GENERATE, '"tools":{"google_search":{}}', "google_search" },
	{ GENERATE, '"tools":[{"functionDeclarations":[{"name":"f"}],"googleSearchRetrieval":{}}]', "google_search_retrieval" },
	{ STREAM .. "?alt=sse", '"tools":[{"function_declarations":[]},{"codeExecution":{}}]', "code_execution" },
	{ STREAM, '"tools":[{"code_execution":null}]', "code_execution" },
	{ GENERATE, '"tools":[{"urlContext":{}}]', "url_context" },
	{ GENERATE, '"tools":[{"fileSearch":{"fileSearchStoreNames":["s"]}}]', "file_search" },
	{ GENERATE, '"tools":[{"googleMaps":{}}]', "google_maps" },
	{ GENERATE, '"tools":[{"mcpServers":[{"name":"m"}]}]', "mcp_servers" },
	{ GENERATE, '"tools":[{"computerUse":{}}]', "computer_use" },
	{ GENERATE, '"tools":[{"ofTomorrow":{}}]', "of_tomorrow" },
	{ GENERATE, '"tools":[{"g\\u006fogleSearch":{}}]', "google_search" },
	{ GENERATE, '"cachedContent":"cachedContents/1"', "stored_cache" },
	{ GENERATE, '"cached_content":"cachedContents/1"', "stored_cache" },
	{ COUNT, '"generateContentRequest":{"tools":[{"googleSearch":{}}]}', "google_search" },
}

local function body_of(path, members)
	return path:find("^/genai") and "{" .. members .. "}" or '{"model":"gpt-5.5",' .. members .. "}"
end

local SSE = { ["content-type"] = "text/event-stream" }

test "a request reaches its own kind of provider byte for byte, with the provider's key and without the client's"
local gw, ups, cl, key = world { headers = { ["openai-organization"] = "org-ours", ["x-ratelimit-limit-requests"] = "9",
	["x-request-id"] = "req_1" } }
local body = '{ "model" : "gpt-5.5", "n":1, "messages":[{"role":"user","content":"h\\u0069"}], "x":1.0e2 }'
local r = cl:post(CHAT .. "?key=" .. key.key, body, { ["openai-organization"] = "org-theirs", ["openai-beta"] = "x=v1",
	["x-goog-api-key"] = "theirs", ["x-codex-window-id"] = "w" })
expect(r.status):is(200)
expect(r.headers["openai-organization"]):is(nil)
expect(r.headers["x-ratelimit-limit-requests"]):is(nil)
expect(r.headers["x-request-id"]):is("req_1")
local got = ups.openai.requests[1]
expect(got.target):is("/v1/chat/completions")
expect(got.body):is(body)
expect(got.headers.authorization):is("Bearer sk-rig-upstream")
expect(got.headers["openai-organization"]):is(nil)
expect(got.headers["x-goog-api-key"]):is(nil)
expect(got.headers["openai-beta"]):is("x=v1")
expect(got.headers["x-codex-window-id"]):is("w")

body = '{"contents":[{"parts":[{"text":"hi"}]}], "generationConfig":{"maxOutputTokens":5} }'
r = client { port = gw.port, headers = { ["x-goog-api-key"] = key.key } }:post(STREAM .. "?alt=sse&key=" .. key.key, body)
expect(r.status):is(200)
got = ups.genai.requests[1]
expect(got.target):is("/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse")
expect(got.body):is(body)
expect(got.headers["x-goog-api-key"]):is("sk-rig-upstream")
expect(got.headers.authorization):is(nil)
expect(sent(ups)):is(2)

test "an alias is replaced in the body or in the path, and nowhere else"
local gw, ups, cl = world()
cl:post(RESPONSES, '{"input":"gpt","model":"gpt","max_output_tokens":9}')
expect(ups.openai.requests[1].body):is('{"input":"gpt","model":"gpt-5.5","max_output_tokens":9}')
cl:post(CHAT, '{"stream":true,"messages":[],"model":"gpt","stream_options":{}}')
expect(ups.openai.requests[2].body):is('{"stream":true,"messages":[],"model":"gpt-5.5","stream_options":{"include_usage":true}}')
cl:post(CHAT, '{"stream_options":{"include_usage":false},"model":"gpt","stream":true}')
expect(ups.openai.requests[3].body):is('{"stream_options":{"include_usage":true},"model":"gpt-5.5","stream":true}')
cl:post("/genai/v1beta/models/flash:countTokens", '{"generateContentRequest":{"model":"models/flash","contents":[]}}')
expect(ups.genai.requests[1].target):is("/v1beta/models/gemini-3.8-flash:countTokens")
expect(ups.genai.requests[1].body):is('{"generateContentRequest":{"model":"models/gemini-3.8-flash","contents":[]}}')
expect(last(gw)):has { name = "gemini-3.8-flash", verdict = "ok", cost_nusd = 0 }

test "a stream of Chat Completions is made to name its usage, and only then"
local gw, ups, cl = world()
local same = {
	'{"model":"gpt-5.5","stream":false}', '{"model":"gpt-5.5","stream":null,"stream_options":null}',
	'{"model":"gpt-5.5","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
}
for i, body in ipairs(same) do
	cl:post(CHAT, body)
	expect(ups.openai.requests[i].body):is(body)
end
for body, want in pairs {
	[' {"model":"gpt-5.5","stream":true}'] = ' {"stream_options":{"include_usage":true},"model":"gpt-5.5","stream":true}',
	['{"stream":true,"stream_options":null,"model":"gpt-5.5"}'] =
		'{"stream":true,"stream_options":{"include_usage":true},"model":"gpt-5.5"}',
	['{"stream":true,"stream_options":{"x":1},"model":"gpt-5.5"}'] =
		'{"stream":true,"stream_options":{"include_usage":true,"x":1},"model":"gpt-5.5"}',
} do
	cl:post(CHAT, body)
	expect(ups.openai.requests[#ups.openai.requests].body):is(want)
end

test "what it cost is what the provider says, cached tokens and thoughts included"
for _, case in ipairs {
	{ CHAT, '{"model":"gpt-5.5"}', '{"choices":[{"message":{"tool_calls":[{"id":"call_1"}]}}],"usage":{"prompt_tokens":100,' ..
		'"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":60},' ..
		'"completion_tokens_details":{"reasoning_tokens":15}}}', 40, 20, 60, tool_uses = "call_1" },
	-- Written to a cache, for the price of input where the table has no other.
	{ CHAT, '{"model":"gpt-5.5"}', '{"usage":{"prompt_tokens":100,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":50,' ..
		'"cache_write_tokens":50}}}', 50, 20, 50 },
	-- Reasoning beside the completion, as some have it.
	{ CHAT, '{"model":"gpt-5.5"}', '{"usage":{"prompt_tokens":100,"completion_tokens":5,"total_tokens":120}}', 100, 20, 0 },
	{ RESPONSES, '{"model":"gpt-5.5","input":[]}', '{"output":[{"type":"function_call","call_id":"call_2"}],"usage":{"input_tokens":100,' ..
		'"output_tokens":20,"total_tokens":120,"input_tokens_details":{"cached_tokens":60}}}', 40, 20, 60, tool_uses = "call_2" },
	{ EMBEDDINGS, '{"model":"text-embedding-3-small","input":"x"}', '{"usage":{"prompt_tokens":8,"total_tokens":8}}', 8, 0, 0 },
	{ CHAT, '{"model":"gpt-5.5","stream":true}', 'data: {"choices":[{"delta":{"content":"hello"}}],"usage":null}\n\n' ..
		'data: {"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}\n\ndata: [DONE]\n\n',
		100, 20, 0, sse = true },
	{ RESPONSES, '{"model":"gpt-5.5","stream":true}', 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",' ..
		'"delta":"hello"}\n\nevent: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":100,' ..
		'"output_tokens":20,"input_tokens_details":{"cached_tokens":60}}}}\n\n', 40, 20, 60, sse = true },
	{ GENERATE, "{}", '{"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":5,' ..
		'"thoughtsTokenCount":15,"totalTokenCount":120}}', 40, 20, 60 },
	{ STREAM .. "?alt=sse", "{}", 'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":100,' ..
		'"candidatesTokenCount":1}}\n\ndata: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,' ..
		'"candidatesTokenCount":9,"thoughtsTokenCount":11}}\n\n', 100, 20, 0, sse = true },
	{ STREAM, "{}", '[{"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":1}}\n,\r\n{"usageMetadata":' ..
		'{"promptTokenCount":100,"candidatesTokenCount":20}}\n]', 100, 20, 0 },
} do
	local gw, ups, cl = world { body = case[3], headers = case.sse and SSE or nil }
	local r = cl:post(case[1], case[2])
	expect(r.status, case[3]):is(200)
	expect(r.body):is(case[3])
	local row = last(gw)
	expect(row, case[3]):has { verdict = "ok", cost_nusd = case[4] * 1000 + case[5] * 10000 + case[6] * 100 }
	expect(row.tool_uses, case[3]):is(case.tool_uses)
end

test "a whole reply that names no usage is charged at what was held; a failure that is told is not"
local gw, ups, cl = world { body = '{"choices":[]}' }
cl:post(CHAT, '{"model":"gpt-5.5","max_tokens":10}')
expect(last(gw).cost_nusd):is(35 * 1000 + 10 * 10000)
gw, ups, cl = world { body = 'data: {"error":{"message":"x"}}\n\n', headers = SSE }
cl:post(CHAT, '{"model":"gpt-5.5","stream":true}')
expect(last(gw).cost_nusd):is(0)

test "every choice is held for as much as one may be"
for _, case in ipairs {
	{ CHAT, '{"model":"gpt-5.5","n":3,"max_completion_tokens":10}', 30 },
	{ CHAT, '{"model":"gpt-5.5","max_tokens":4,"max_completion_tokens":10}', 10 },
	{ CHAT, '{"model":"gpt-5.5","n":3}', 3000 },
	{ RESPONSES, '{"model":"gpt-5.5","max_output_tokens":7}', 7 },
	{ EMBEDDINGS, '{"model":"text-embedding-3-small"}', 1 },
	{ GENERATE, '{"generation_config":{"candidateCount":"2","max_output_tokens":"6"}}', 12 },
	{ GENERATE, '{"generationConfig":{"candidate_count":2}}', 2000 },
} do
	local gw, ups, cl = world { body = "{}" }
	cl:post(case[1], case[2])
	expect(last(gw).cost_nusd, case[2]):is(#case[2] * 1000 + case[3] * 10000)
end

test "each form of a tool that the provider would run is refused without a grant: on record, and 0 bytes upstream"
-- limit: 60 s
local gw, ups, cl = world()
for _, form in ipairs(FORMS) do
	local r = cl:post(form[1], body_of(form[1], form[2]))
	expect(r.status, form[2]):is(form[1] == RESPONSES and 400 or 403)
	expect(r.json.error.message, form[2]):has("hosted:" .. form[3] .. ": no rule allows it (ask #ai)")
	expect(r.headers["x-should-retry"]):is("false")
end
expect(sent(ups), "requests at the providers"):is(0)
local rows, at = gw:audit(), 0
for _, row in ipairs(rows) do
	if row.kind == "model" then
		at = at + 1
		expect(row, FORMS[at][2]):has { verdict = "not_permitted", hosted = FORMS[at][3] }
	end
end
expect(at):is(#FORMS)

test "with a grant each passes as it came"
-- limit: 60 s
local gw, ups, cl = world { rules = '  - allow: "hosted:*"\n' }
for i, form in ipairs(FORMS) do
	expect(cl:post(form[1], body_of(form[1], form[2])).status, form[2]):is(200)
	local list = form[1]:find("^/genai") and ups.genai.requests or ups.openai.requests
	expect(list[#list].body):is(body_of(form[1], form[2]))
end
expect(sent(ups)):is(#FORMS)

test "what the request defines itself needs none"
local gw, ups, cl = world()
for _, case in ipairs {
	{ RESPONSES, '"tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"},{"type":"tool_search","execution":"client"},' ..
		'{"type":"namespace","name":"n","tools":[{"type":"function"}]}],"prompt":null,"previous_response_id":null,"background":false' },
	{ RESPONSES, '"input":[{"type":"mcp_list_tools","tools":[{"name":"x","input_schema":{}}]},{"type":"tool_search_output",' ..
		'"tools":[{"type":"namespace","tools":[{"type":"function"}]}]},"x"]' },
	{ CHAT, '"tools":[{"type":"function","function":{"name":"web_search"}}],"web_search_options":null,"service_tier":"flex","models":null' },
	{ GENERATE, '"tools":[{"functionDeclarations":[{"name":"googleSearch"}]}],"cachedContent":null' },
	{ RESPONSES, '"input":[{"role":"user","content":"file_id"},{"type":"message","role":"assistant","content":[{"type":"output_text",' ..
		'"text":"x","annotations":[{"file_id":"file-1"}]}]},{"type":"input_image","file_id":null},{"type":"reasoning","id":"rs_1"},' ..
		'{"type":"tool_search_call","arguments":{"file_id":"x"}}]' },
	{ CHAT, '"messages":[{"role":"tool","content":"{\\"file_id\\":\\"x\\"}"}]' },
	{ GENERATE, '"contents":[{"parts":[{"fileData":{"fileUri":"https://youtu.be/x"}},{"fileData":{"fileUri":"gs://b/o"}},' ..
		'{"functionCall":{"name":"f","args":{"fileUri":"files/a"}}},{"functionResponse":{"response":{"file_uri":"files/a"}}}]}]' },
} do
	expect(cl:post(case[1], body_of(case[1], case[2])).status, case[2]):is(200)
end
expect(sent(ups)):is(7)

test "what two parsers could read differently is refused"
-- limit: 60 s
local gw, ups, cl = world { rules = '  - allow: "hosted:*"\n' }
for _, case in ipairs {
	{ CHAT, '{"model":"gpt-5.5","model":"gpt-5.5"}', "twice" },
	{ CHAT, '{"model":"gpt-5.5","Model":"o"}', "could be taken for another" },
	{ CHAT, '{"model":"gpt-5.5","TOOL\\u017f":[]}', "could be taken for another" },
	{ CHAT, '{"model":"gpt-5.5","max-tokens":9}', "could be taken for another" },
	{ CHAT, '{"model":"gpt-5.5","n":0}', '"n" is not a whole number from 1 to 128' },
	{ CHAT, '{"model":"gpt-5.5","n":129}', '"n" is not' },
	{ CHAT, '{"model":"gpt-5.5","max_tokens":1.5}', '"max_tokens" is not' },
	{ CHAT, '{"model":"gpt-5.5","stream":1}', '"stream" is neither' },
	{ CHAT, '{"model":"gpt-5.5","stream":true,"stream_options":7}', "an object was expected" },
	{ CHAT, '{"model":"gpt-5.5","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}', "twice" },
	{ CHAT, '{"model":"gpt-5.5","tools":[{"function":{}}]}', "tools[0].type is no name" },
	{ CHAT, '{"messages":[]}', 'needs "model"' },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"function","type":"web_search"}]}', "tools[0]: " },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"function","Type":"web_search"}]}', "tools[0]: a member " },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"mcp","server_url":"https://a.example","Server_URL":"https://b.example"}]}',
		"tools[0]: a member " },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"namespace","name":"n","tools":[],"Tools":[{"type":"web_search"}]}]}',
		"tools[0]: a member " },
	{ RESPONSES, '{"model":"gpt-5.5","input":[{"type":"tool_search_output","tools":[],"Tools":[{"type":"web_search"}]}]}',
		"input[0]: a member " },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"mcp"}]}', "only one" },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"mcp","server_url":"https://a","connector_id":"c"}]}', "only one" },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"mcp","server_url":"https://good@evil.example"}]}', "without user" },
	{ RESPONSES, '{"model":"gpt-5.5","tools":[{"type":"mcp","connector_id":"a b"}]}', "is no name" },
	{ RESPONSES, '{"model":"gpt-5.5","tools":{"type":"web_search"}}', '"tools" is not a list' },
	{ RESPONSES, '{"model":"gpt-5.5","input":[{"tools":[],"tools":[]}]}', "input[0]: " },
	{ RESPONSES, '{"model":"gpt-5.5","previous-response-id":"r"}', "could be taken for another" },
	{ GENERATE, '{"generationConfig":{},"generation_config":{}}', "two spellings" },
	{ GENERATE, '{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}', "two spellings" },
	{ GENERATE, '{"generationConfig":{"maxOutputTokens":1e9}}', '"maxOutputTokens" is not' },
	{ GENERATE, '{"Tools":[{"googleSearch":{}}]}', "could be taken for another" },
	{ GENERATE, '{"tools":[7]}', "tools[0] is not an object" },
	{ GENERATE, '{"tools":[{"":{}}]}', "no name" },
	{ GENERATE, '{"model":"models/gemini-3.8-pro"}', "another one than the path's" },
	{ GENERATE, '{"generationConfig":{"maxOutputTokens":900},"generateContentRequest":{"generationConfig":{"maxOutputTokens":1}}}',
		"only :countTokens" },
	{ STREAM, '{"generate_content_request":null}', "only :countTokens" },
	{ RESPONSES, '{"model":"gpt-5.5","input":{"type":"item_reference","id":"msg_1"}}', '"input" is not a list' },
	{ COUNT, '{"model":"gemini-3.8-flash","generateContentRequest":{"model":"gemini-3.8-flash"}}', "twice" },
	{ COUNT, '{"generateContentRequest":{"generateContentRequest":{}}}', "within a wrapped" },
	{ GENERATE, "[]", "an object was expected" },
} do
	local r = cl:post(case[1], case[2])
	expect(r.status, case[2]):is(400)
	expect(r.json.error.message, case[2]):has(case[3])
end
expect(sent(ups)):is(0)

test "a path of Gemini names a plain model and one of three verbs"
local gw, ups, cl = world()
for _, path in ipairs { "gemini-3.8-flash", "gemini-3.8-flash:embedContent", "gemini%2d3.8-flash:generateContent", ":generateContent",
	"a/../gemini-3.8-flash:generateContent", "gemini-3.8-flash:generateContent/x" } do
	local r = cl:post("/genai/v1beta/models/" .. path, "{}")
	expect(r.status, path):is(404)
	expect(r.json.error):has { code = 404, status = "NOT_FOUND" }
end
expect(sent(ups)):is(0)

test "a model is asked for where its provider's API is spoken, and listed there"
local gw, ups, cl = world()
local r = cl:post(CHAT, '{"model":"claude-sonnet-4-6"}')
expect(r.status):is(404)
expect(r.json.error.message):has("ask for it at /anthropic")
expect(cl:post("/anthropic/v1/messages", '{"model":"gpt-5.5"}').json.error.message):has("ask for it at /openai")
expect(sent(ups)):is(0)
local ids = {}
r = cl:get("/openai/v1/models")
expect(r.json.object):is("list")
for i, m in ipairs(r.json.data) do
	ids[i] = m.id
	expect(m.object):is("model")
end
table.sort(ids)
expect(ids):same { "gpt", "gpt-5.5", "text-embedding-3-small" }
expect(#cl:get("/anthropic/v1/models").json.data):is(1)

test "a refusal speaks the client's language"
local gw, ups, cl, key = world { clock = true, policy = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        core:
          users:
            ana: { budget: 1 USD/day }
            ben: { limit: { requests: 1/minute } }
policy: models
applies_to: "*"
rules:
  - allow: "model:*"
  - deny: "model:text-*"
    reason: "No embeddings"
]] }
local big = '"max_tokens":900000'
local r = cl:post(CHAT, '{"model":"gpt-5.5",' .. big .. "}")
expect(r.status):is(429)
expect(r.json.error):has { type = "insufficient_quota", code = "insufficient_quota" }
expect(r.headers["x-should-retry"]):is("false")
expect(tonumber(r.headers["retry-after"])):is(14 * 3600)
r = cl:post(RESPONSES, '{"model":"gpt-5.5","max_output_tokens":900000}')
expect(r.status):is(429)
expect(r.json.error):has { type = "usage_limit_reached", resets_at = 1787356800 } -- 2026-08-22T00:00:00Z
r = cl:post(GENERATE, '{"generationConfig":{"maxOutputTokens":900000}}')
expect(r.status):is(429)
expect(r.json.error):has { code = 429, status = "RESOURCE_EXHAUSTED" }
expect(r.json.error.details[1].violations[1].quotaId):matches("PerDay$")
r = cl:post(EMBEDDINGS, '{"model":"text-embedding-3-small"}')
expect(r.status):is(403)
expect(r.json.error):has { type = "permission_error", code = "not_permitted" }
r = cl:post(RESPONSES, '{"model":"text-embedding-3-small"}')
expect(r.status):is(400)
expect(r.json.error.message):has("No embeddings")
local ben = gw:client(gw:key { name = "b", user = "ben" })
expect(ben:post(GENERATE, "{}").status):is(200)
r = ben:post(GENERATE, "{}")
expect(r.status):is(429)
expect(r.json.error.details[1]["@type"]):has("RetryInfo")
expect(r.json.error.details[1].retryDelay):is("60s")
expect(r.headers["x-should-retry"]):is(nil)
r = ben:post(CHAT, '{"model":"gpt-5.5"}')
expect(r.json.error.code):is("rate_limit_exceeded")
gw:ok { "key", "revoke", "laptop" }
for path, want in pairs { [CHAT] = { code = "invalid_api_key" }, [RESPONSES] = { code = "invalid_api_key" },
	[GENERATE] = { code = 401, status = "UNAUTHENTICATED" } } do
	r = cl:post(path, '{"model":"gpt-5.5"}')
	expect(r.status, path):is(401)
	expect(r.json.error, path):has(want)
	expect(r.headers["x-should-retry"]):is("false")
end

test "a websocket is refused so that the client asks by POST at once"
local gw, ups, cl = world()
local r = cl:get(RESPONSES, { connection = "Upgrade", upgrade = "websocket" })
expect(r.status):is(426)

test "a stream that was cut pays for what went through"
for _, case in ipairs {
	{ CHAT, '{"model":"gpt-5.5","stream":true}', 'data: {"choices":[{"delta":{"content":"' .. ("x"):rep(400) .. '"}}]}\n\n', 8, 100 },
	{ RESPONSES, '{"model":"gpt-5.5","stream":true}', 'data: {"type":"response.output_text.delta","delta":"' .. ("x"):rep(400) .. '"}\n\n', 8, 100 },
	{ STREAM .. "?alt=sse", "{}", 'data: {"candidates":[{"content":{"parts":[{"text":"' .. ("x"):rep(400) ..
		'"}]}}],"usageMetadata":{"promptTokenCount":7}}\n\n', 7, 100 },
} do
	local gw, ups, cl = world { body = case[3], headers = { ["content-type"] = "text/event-stream",
		["content-length"] = tostring(#case[3] + 10) } }
	local s = cl:stream(case[1], case[2])
	expect(s:piece(), case[3]):has("xxxx")
	cl:reset()
	wait_for("the row", function() return last(gw).kind == "model" end)
	local row = last(gw)
	expect(row["end"]):is("cancelled")
	expect(row.estimated):is(true)
	expect(row.cost_nusd, case[3]):above((case[4] + case[5] * 10 - 30) * 1000)
	expect(row.cost_nusd, case[3]):below((case[4] + case[5] * 10 + 30) * 1000)
end

test "a stream whose key dies is told why as its API tells errors"
for _, case in ipairs {
	{ CHAT, 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n', code = "invalid_api_key" },
	{ RESPONSES, 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n', event = "error", code = "invalid_api_key" },
	{ STREAM .. "?alt=sse", 'data: {"candidates":[{"content":{"parts":[{"text":"x"}]}}]}\r\n\r\n', code = 401, body = "{}" },
} do
	local gw, ups, cl = world { events = { case[2], case[2] }, hold_after = 1 }
	local s = cl:stream(case[1], case.body or '{"model":"gpt-5.5","stream":true}')
	expect(s:event().data, case[1]):has("x")
	gw:ok { "key", "revoke", "laptop" }
	local e = s:event()
	expect(e.event, case[1]):is(case.event)
	expect(e.json.error.code, case[1]):is(case.code)
	expect(e.json.error.message):has("is revoked")
	expect({ s:event() }, case[1]):same {}
	expect(last(gw)):has { kind = "model", ["end"] = "cut" }
end

test "connect prints what Codex and Gemini take, and what it names answers"
local gw, ups, cl, key = world()
local toml = gw:ok({ "connect", "codex" }).out
expect(toml):has('wire_api = "responses"')
expect(toml):has('env_key = "TOLLGATE_KEY"')
expect(toml):has('bearer_token_env_var = "TOLLGATE_KEY"')
local base = toml:match('base_url = "http://127%.0%.0%.1:%d+(/[^"]+)"')
expect(cl:post(base .. "/responses", '{"model":"gpt-5.5"}').status):is(200)
expect(toml:match('\nurl = "([^"]+)"')):is("http://127.0.0.1:" .. gw.port .. "/mcp")
local line, settings = gw:ok({ "connect", "gemini" }).out:match("^(export [^\n]+)\n(.*)$")
base = line:match("GOOGLE_GEMINI_BASE_URL=http://127%.0%.0%.1:%d+(/%S+)")
expect(line):has('GEMINI_API_KEY="$TOLLGATE_KEY"')
local asked = client { port = gw.port, headers = { ["x-goog-api-key"] = key.key } }
expect(asked:post(base .. "/v1beta/models/gemini-3.8-flash:generateContent", "{}").status):is(200)
expect(json.decode(settings).mcpServers.tollgate.httpUrl):is("http://127.0.0.1:" .. gw.port .. "/mcp")
expect(gw:ok({ "connect", "codex", "--url", "https://gate.example.com/" }).out):has('"https://gate.example.com/openai/v1"')
expect(gw:cli({ "connect", "codex", "--managed" }).code):is(2)
expect(gw:cli({ "connect", "cursor" }).err):has("connect codex|gemini")
