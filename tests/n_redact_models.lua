-- SPDX-License-Identifier: Apache-2.0
-- Redaction towards models: what a provider is sent, without the secrets and personal data that got into the conversation.

local GHP = "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"
local CARD, MAIL, IBAN, PHONE = "4111 1111 1111 1111", "ana@example.com", "DE89 3704 0044 0532 0130 00", "+49 30 901820"
local ALL = { GHP, CARD, MAIL, IBAN, PHONE }
local TEXT = table.concat(ALL, ", ")
local MASKED = "[masked:github-token], [masked:card], [masked:email], [masked:iban], [masked:phone]"
local MODELS = [[
models:
  gpt-5.5: { provider: openai }
  text-embedding-3-small: { provider: openai }
  gemini-3.8-flash: { provider: genai }
  claude-sonnet-4-6: { provider: anthropic }
aliases: { sonnet: claude-sonnet-4-6, gpt: gpt-5.5 }
]]
local MESSAGES, COUNT = "/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens"
local CHAT, RESPONSES, EMBEDDINGS = "/openai/v1/chat/completions", "/openai/v1/responses", "/openai/v1/embeddings"
local GENERATE = "/genai/v1beta/models/gemini-3.8-flash:generateContent"
local STREAM = "/genai/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
local GCOUNT = "/genai/v1beta/models/gemini-3.8-flash:countTokens"

local function world(...)
	local ups = {}
	for _, kind in ipairs { "openai", "genai", "anthropic" } do ups[kind] = provider { kind = kind, body = "{}" } end
	local policies = rules('allow: "model:*"', ...)
	local gw = gateway { providers = ups, yaml = MODELS, policies = policies }
	return gw, ups, gw:client(gw:dev())
end

local function redact(what, of) return 'redact: "model:' .. (of or "*") .. '"\n    args: ' .. what end

local function sent(ups) return #ups.openai.requests + #ups.genai.requests + #ups.anthropic.requests end

local function model_rows(gw)
	local rows = {}
	for _, row in ipairs(gw:audit()) do
		if row.kind == "model" then rows[#rows + 1] = row end
	end
	return rows
end

-- Nothing that the gateway keeps or says holds any of them.
local function nowhere(gw, ...)
	gw:stop()
	for _, what in ipairs { ... } do
		expect(gw.process.err):lacks(what)
		expect(json.encode(gw:audit())):lacks(what)
		for _, file in ipairs(sys.list(gw.data) or {}) do
			local bytes = read_file(gw.data .. "/" .. file)
			if bytes then expect(bytes):lacks(what) end
		end
	end
end

-- %s is where the words stand, %i what must come through letter by letter though it looks like a card.
local BODIES = {
	{ MESSAGES, "anthropic", [=[{"model":"claude-sonnet-4-6","max_tokens":64,"metadata":{"user_id":"%s"},
 "system":[{"type":"text","text":"Be kind. %s","cache_control":{"type":"ephemeral"}}],
 "tools":[{"name":"mail","description":"Sends to bob@example.org","input_schema":{"properties":{"to":{"pattern":"^bob@example.org$"}}}}],
 "messages":[{"role":"user","content":"%s"},
  {"role":"assistant","content":[{"type":"thinking","thinking":"bob@example.org","signature":"%i"},{"type":"redacted_thinking","data":"%i"},
   {"type":"text","text":"%s"},{"type":"tool_use","id":"%i","name":"mail","input":{"to":"%s","card":4111111111111111,"deep":[{"id":"%s"}]}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"%i","content":[{"type":"text","text":"%s"},
    {"type":"image","source":{"type":"base64","media_type":"image/png","data":"%i"}}]},
   {"type":"document","source":{"type":"text","media_type":"text/plain","data":"%s"}},{"type":"of_tomorrow","words":["%s"]}]}]}]=] },
	{ COUNT, "anthropic", [=[{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"%s"}]}]=] },
	{ CHAT, "openai", [=[{"model":"gpt-5.5","user":"%s","messages":[{"role":"system","content":"%s"},
  {"role":"user","content":[{"type":"text","text":"%s"},{"type":"image_url","image_url":{"url":"data:image/png;base64,%i"}},
   {"type":"input_audio","input_audio":{"data":"%i","format":"wav"}},{"type":"file","file":{"file_data":"%i"}}]},
  {"role":"assistant","tool_calls":[{"id":"%i","type":"function","function":{"name":"mail","arguments":"{\"to\":\"%s\"}"}}]},
  {"role":"tool","tool_call_id":"%i","content":"%s"}]}]=] },
	{ RESPONSES, "openai", [=[{"model":"gpt-5.5","instructions":"%s","prompt_cache_key":"%i","input":[{"role":"user","content":[{"type":"input_text","text":"%s"},
   {"type":"input_image","image_url":"data:image/png;base64,%i"}]},{"type":"reasoning","id":"%i","encrypted_content":"%i","summary":[]},
  {"type":"function_call","id":"%i","call_id":"%i","name":"mail","arguments":"{\"to\":\"%s\"}"},
  {"type":"function_call_output","call_id":"%i","output":"%s"},{"type":"custom_tool_call","id":"i","call_id":"%i","name":"p","input":"%s"}]}]=] },
	{ RESPONSES, "openai", [=[{"model":"gpt-5.5","input":"%s"}]=] },
	{ EMBEDDINGS, "openai", [=[{"model":"text-embedding-3-small","input":["a","%s"]}]=] },
	{ EMBEDDINGS, "openai", [=[{"model":"text-embedding-3-small","input":[[4111111111111111,2]]}]=] },
	{ GENERATE, "genai", [=[{"systemInstruction":{"parts":[{"text":"%s"}]},"contents":[{"role":"user","parts":[{"text":"%s"},
   {"inlineData":{"mimeType":"image/png","data":"%i"}}]},{"role":"model","parts":[{"functionCall":{"id":"%i","name":"mail","args":{"to":"%s",
   "card":4111111111111111}},"thoughtSignature":"%i"}]},{"role":"user","parts":[{"functionResponse":{"id":"%i","name":"mail","response":{"output":"%s"}}}]}]}]=] },
	{ STREAM, "genai", [=[{"contents":{"parts":{"text":"%s"}}}]=] },
	{ GCOUNT, "genai", [=[{"generateContentRequest":{"model":"models/gemini-3.8-flash","contents":[{"parts":[{"text":"%s"}]}]}}]=] },
}

local function fill(body, words, number)
	return (body:gsub("%%[si]", { ["%s"] = words, ["%i"] = "4111111111111111" }):gsub('"card":4111111111111111',
		'"card":' .. (number or "4111111111111111")))
end

test "in every dialect the texts are masked, and every other byte is the client's: ids, signatures, pictures, definitions, numbers"
local gw, ups, c = world(redact "{ all: mask }")
for _, b in ipairs(BODIES) do
	local r = c:post(b[1], fill(b[3], TEXT))
	expect(r.status):is(200)
	local up = ups[b[2]]
	expect(up.requests[#up.requests].body):is(fill(b[3], MASKED, '"[masked:card]"'))
end
expect(gw:client():get("/metrics").body):has('tollgate_redacted_total{class="secrets",action="mask"}')
nowhere(gw, GHP, MAIL, IBAN, PHONE)
local rows = model_rows(gw)
expect(#rows):is(#BODIES)
expect(rows[2].redacted):same { secrets = 1, card = 1, email = 1, iban = 1, phone = 1 }
expect(rows[2].bytes_in):is(#fill(BODIES[2][3], MASKED))

test "arguments that are JSON in a string are JSON afterwards, and only a number that becomes a word has them written anew"
local gw, ups, c = world(redact "{ all: mask }")
local function call(arguments)
	expect(c:post(CHAT, '{"model":"gpt","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"pay","arguments":"' .. arguments .. '"}}]}]}').status):is(200)
	return ups.openai.requests[#ups.openai.requests].json.messages[1].tool_calls[1]["function"].arguments, ups.openai.requests[#ups.openai.requests].body
end
local said = json.decode(call [[{\"card\":4111111111111111,\"to\":\"ana@example.com\",\"n\":[1,4111111111111111.0],\"caf\u00e9\":null}]])
expect(said.card):is("[masked:card]")
expect(said.to):is("[masked:email]")
expect(said.n):same(json.array { 1, "[masked:card]" })
local _, body = call [[{\"to\":\"ana@example.com\",\"n\":12,\"caf\u00e9\":\"\/\"}]]
expect(body):has([[{\"to\":\"[masked:email]\",\"n\":12,\"caf\u00e9\":\"\/\"}]])
expect((call "no JSON: 4111111111111111")):is("no JSON: [masked:card]")

test "where no rule holds, or nothing is found, the body is the client's, byte by byte"
for _, rule in ipairs { redact "{ all: mask }" .. "\n    unless: { subject: { keys: [dev] } }", redact "{ pii: { iban: mask } }" } do
	local gw, ups, c = world(rule)
	for _, b in ipairs(BODIES) do
		local body = fill(b[3], GHP .. " \\u0041 " .. MAIL)
		expect(c:post(b[1], body).status):is(200)
		local up = ups[b[2]]
		expect(up.requests[#up.requests].body):is(body)
	end
	gw:stop()
	for _, row in ipairs(model_rows(gw)) do expect(row.redacted):is(nil) end
end

test "a blocked prompt never leaves; each client is told once, what and where, and not to try again"
local gw, ups, c = world(redact "{ secrets: block, pii: mask }")
local PROMPTS = {
	{ MESSAGES, 403, '{"model":"sonnet","max_tokens":1,"messages":[{"role":"user","content":"hi"},{"role":"user","content":"use %s"}]}', "messages[1]" },
	{ MESSAGES, 403, '{"model":"sonnet","max_tokens":1,"system":"%s","messages":[]}', "system" },
	{ COUNT, 403, '{"model":"sonnet","messages":[{"role":"user","content":"use %s"}]}', "messages[0]" },
	{ CHAT, 403, '{"model":"gpt","messages":[{"role":"user","content":"use %s"}]}', "messages[0]" },
	{ RESPONSES, 400, '{"model":"gpt","input":[{"role":"user","content":"use %s"}]}', "input[0]" },
	{ EMBEDDINGS, 403, '{"model":"text-embedding-3-small","input":"%s"}', "input" },
	{ GENERATE, 403, '{"contents":[{"parts":[{"text":"%s"}]}]}', "contents[0]" },
	{ GCOUNT, 403, '{"contents":[{"parts":[{"text":"%s"}]}]}', "contents[0]" },
}
for _, p in ipairs(PROMPTS) do
	local r = c:post(p[1], (p[3]:gsub("%%s", GHP)))
	expect(r.status):is(p[2])
	local message = json.decode(r.body).error.message
	expect(message):has(": the request (" .. p[4] .. ") must not hold this: github-token · policy tools:7 (ask #tools)")
	expect(message):has(" · decision p_")
	expect(r.body):lacks(GHP)
	if p[1] == MESSAGES then expect(r.headers["x-should-retry"]):is("false") end
end
expect(sent(ups)):is(0)
expect(c:post(MESSAGES, '{"model":"sonnet","max_tokens":1,"messages":[{"role":"user","content":"to ' .. MAIL .. '"}]}').status):is(200)
expect(ups.anthropic.requests[1].body):is('{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[{"role":"user","content":"to [masked:email]"}]}')
nowhere(gw, GHP, MAIL)
local rows = model_rows(gw)
expect(#rows):is(#PROMPTS + 1)
for i = 1, #PROMPTS do
	expect(rows[i]):has { verdict = "not_permitted" }
	expect(rows[i].redacted):same { secrets = 1 }
end

test "a conversation of three turns keeps its beginning: what the provider has in its cache stays there"
for _, action in ipairs { "mask", "hash" } do
	local gw, ups, c = world(redact("{ all: " .. action .. " }"))
	local key = gw:key { name = "turns", customer = "acme", team = "payments", user = "ana" }
	c = gw:client(key)
	local head = '{"model":"sonnet","max_tokens":64,"stream":false,"system":[{"type":"text","text":"Staff: ' .. TEXT .. '"}],"messages":['
	local turns = { '{"role":"user","content":[{"type":"text","text":"Write to ' .. MAIL .. '"}]}',
		'{"role":"assistant","content":[{"type":"thinking","thinking":"' .. MAIL .. '","signature":"EqQBCkYIB"},{"type":"tool_use","id":"toolu_1","name":"mail","input":{"to":"'
			.. MAIL .. '"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"paid with ' .. CARD .. '\\n"}]}',
		'{"role":"assistant","content":"Done."},{"role":"user","content":"And ' .. PHONE .. '?"}' }
	local so_far, before = head, nil
	for i, turn in ipairs(turns) do
		so_far = so_far .. (i > 1 and "," or "") .. turn
		expect(c:post(MESSAGES, so_far .. "]}").status):is(200)
		local got = ups.anthropic.requests[i].body
		if before then expect(got:sub(1, #before - 2)):is(before:sub(1, -3)) end
		before = got
		if i == 2 then
			gw:restart() -- a hash is the installation's, not the process's
			c = gw:client(key)
		end
	end
	expect(before):has('"thinking":"' .. MAIL .. '","signature":"EqQBCkYIB"')
	expect(before):lacks(CARD)
	expect(before):lacks(PHONE)
end

test "a rule for a model holds under its alias too, a rule for the alias holds for who uses it; a rule that observes counts"
local policies = rules('allow: "model:*"', redact("{ pii: mask }", "claude-sonnet-4-6"), redact("{ secrets: mask }", "sonnet"))
policies["root/soon.yaml"] = 'version: 1\npolicy: soon\nmode: observe\napplies_to: "*"\nrules:\n  - redact: "model:*"\n    args: { all: block }\n'
local up = provider { kind = "anthropic", body = "{}" }
local gw = gateway { providers = { anthropic = up }, yaml = "models:\n  claude-sonnet-4-6: { provider: anthropic }\naliases: { sonnet: claude-sonnet-4-6 }\n",
	policies = policies }
local c = gw:client(gw:dev())
local function ask(model) return c:post(MESSAGES, '{"model":"' .. model .. '","max_tokens":1,"messages":[{"role":"user","content":"' .. GHP .. " " .. MAIL .. '"}]}') end
expect(ask("sonnet").status):is(200)
expect(up.requests[1].body):has('"[masked:github-token] [masked:email]"')
expect(ask("claude-sonnet-4-6").status):is(200)
expect(up.requests[2].body):has('"' .. GHP .. ' [masked:email]"')
gw:stop()
local rows = model_rows(gw)
expect(rows[2].redacted):same { email = 1 }
expect(rows[2].would_redact):same { secrets = 1 }

test "a body that is no JSON all through is not sent where texts must be found in it"
local gw, ups, c = world(redact "{ all: mask }")
for _, body in ipairs { '{"model":"sonnet","max_tokens":1,"messages":[{"content":"x" "y"}]}', '{"model":"sonnet","max_tokens":1,"messages":[{"content":"\\ud80"}]}' } do
	local r = c:post(MESSAGES, body)
	expect(r.status):is(400)
	expect(r.body):has("not valid JSON at byte")
end
expect(sent(ups)):is(0)

test "half of a surrogate pair, as clients cut one off, is the provider's to judge: it passes as it is, and what stands beside it is found"
local gw, ups, c = world(redact "{ all: mask }")
local arguments = [["name":"pay","arguments":"{\"a\":\"\\ud83d %s\"}"]]
for _, half in ipairs { "\\ud83d", "\\udc00", "\\ud83d\\ud83d\\ude00", "\\ud800abcdef", "\\uD83D\\u0041" } do
	for _, b in ipairs { { MESSAGES, "anthropic", '{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[{"role":"user","content":"' .. half .. '%s' .. half .. '"}]}' },
		{ CHAT, "openai", '{"model":"gpt-5.5","messages":[{"role":"assistant","content":"' .. half .. '","tool_calls":[{"id":"c","function":{' .. arguments .. '}}]}]}' } } do
		for words, instead in pairs { x = "x", [MAIL] = "[masked:email]", [CARD] = "[masked:card]" } do
			local function with(s) return (b[3]:gsub("%%s", function() return " " .. s .. " " end)) end
			expect(c:post(b[1], with(words)).status):is(200)
			local up = ups[b[2]]
			expect(up.requests[#up.requests].body):is(with(instead))
		end
	end
end

test "a document of text in base64 is read as the text that it is; pictures, other documents and what is no text pass as they are"
local gw, ups, c = world(redact "{ secrets: block, pii: mask }")
local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(s)
	local out = {}
	for i = 1, #s, 3 do
		local a, b, d = s:byte(i, i + 2)
		local n = a << 16 | (b or 0) << 8 | (d or 0)
		for k = 0, 3 do
			local v = (n >> (18 - 6 * k)) & 63
			out[#out + 1] = (k == 2 and not b or k == 3 and not d) and "=" or DIGITS:sub(v + 1, v + 1)
		end
	end
	return table.concat(out)
end
local FILES = {
	{ MESSAGES, "anthropic", '{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"%t","data":"%d"}}]}]}', "messages[0]" },
	{ MESSAGES, "anthropic", '{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"data":"%d","type":"base64","media_type":"%t"}}]}]}', "messages[0]" },
	{ CHAT, "openai", '{"model":"gpt-5.5","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a","file_data":"data:%t;base64,%d"}}]}]}', "messages[0]" },
	{ RESPONSES, "openai", '{"model":"gpt-5.5","input":[{"role":"user","content":[{"type":"input_file","filename":"a","file_data":"data:%t;base64,%d"}]}]}', "input[0]" },
	{ RESPONSES, "openai", '{"model":"gpt-5.5","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:%t;base64,%d"}]}]}', "input[0]" },
	{ GENERATE, "genai", '{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"%t","data":"%d"}}]}]}', "contents[0]" },
	{ GENERATE, "genai", '{"contents":[{"role":"user","parts":[{"inline_data":{"data":"%d","mime_type":"%t"}}]}]}', "contents[0]" },
}
local lines = { "name,mail", "Zo\u{eb},%s", '"quoted",\t\\back\\', "" }
local function text(s) return (table.concat(lines, "\r\n"):gsub("%%s", function() return s end)) end
for _, f in ipairs(FILES) do
	local function post(kind, bytes)
		local body = f[3]:gsub("%%t", function() return kind end):gsub("%%d", function() return bytes end)
		return c:post(f[1], body), body, ups[f[2]].requests
	end
	for _, kind in ipairs { "text/csv", "Text/Plain", "text\\/plain", "application/json", "application/ld+json" } do
		local r, _, got = post(kind, base64(text(MAIL)))
		expect(r.status):is(200)
		local _, want = post(kind, base64(text("[masked:email]"))) -- in which nothing is found: as it came
		expect(got[#got - 1].body:gsub("\\/", "/")):is((want:gsub("\\/", "/")))
		expect(got[#got].body):is(want)
	end
	for _, as_it_is in ipairs { { "application/pdf", base64(text(MAIL)) }, { "image/png", base64(text(MAIL)) }, { "text/plain", base64("\xff\xfe" .. MAIL) },
		{ "text/plain", "no base64: ~" }, { "text/plain", "" } } do
		local r, body, got = post(as_it_is[1], as_it_is[2])
		expect(r.status):is(200)
		expect(got[#got].body):is(body)
	end
	local before = sent(ups)
	local r = post("text/plain", base64(text(GHP)))
	expect(r.status):is(f[1] == RESPONSES and 400 or 403)
	expect(r.body):has("(" .. f[4] .. ") must not hold this: github-token")
	expect(sent(ups)):is(before)
end
nowhere(gw, GHP, MAIL)

test "explain, a test of policies and a diff tell what is redacted, under the alias too"
local policies = rules('allow: "model:*"', redact("{ secrets: block }", "claude-sonnet-4-6"))
policies["root/ai_test.yaml"] = 'suite: ai\ngiven: { as: { user: ana } }\ncases:\n' ..
	'  - { call: ["model:sonnet"], expect: allow, redacts: { args: { secrets: block } } }\n' ..
	'  - { call: ["model:gpt"], expect: allow, redacts: { args: { secrets: mask } } }\n'
local up = provider { kind = "anthropic", body = "{}" }
local gw = gateway { providers = { anthropic = up, openai = up }, policies = policies, yaml = "models:\n  gpt-5.5: { provider: openai }\n" ..
	"  claude-sonnet-4-6: { provider: anthropic }\naliases: { sonnet: claude-sonnet-4-6, gpt: gpt-5.5 }\n" }
for _, name in ipairs { "sonnet", "claude-sonnet-4-6" } do
	expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "model:" .. name }).out):has("args { secrets: block }")
end
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "model:gpt" }).out):lacks("secrets: block")
local r = gw:cli { "policy", "test" }
expect(r.code):is(1)
expect(r.out):has("ok 1 - ")
expect(r.out):has("not ok 2 - ")
expect(r.out):has("args: secrets: mask was expected, and nothing is done")
local other = gw.folder .. "/laxer"
for _, d in ipairs { "", "/root" } do sys.mkdir(other .. d) end
for path, text in pairs(policies) do sys.write_file(other .. "/" .. path, (text:gsub("secrets: block", "secrets: mask"))) end
local out = gw:ok({ "policy", "diff", gw.folder .. "/policies", other }).out
expect(out):has("model:sonnet: allow; redact args { secrets: block } -> allow; redact args { secrets: mask }")
