-- SPDX-License-Identifier: Apache-2.0
-- Values: what a tool answers, what a script sees of it, what a model reads, what a tool is sent.

local function tool(name, o)
	o = o or {}
	return { name = name, inputSchema = o.input, outputSchema = o.output, result = o.result, raw = o.raw }
end

local function world(tools)
	local up = mcp_server "box" { tools = tools }
	local gw = gateway { servers = { box = up }, policies = rules('allow: "box/*"', "allow: code:run") }
	local key = gw:dev()
	gw:wait_tools(key, #tools + 2)
	local c = gw:mcp(key)
	local function run(code, whole)
		local r = c:call("lua", { code = code })
		expect(r.error, code):is(nil)
		expect(r.structuredContent, "only content comes back"):is(nil)
		return whole and r or r.content[1].text
	end
	return run, up
end

local function text_block(s) return json.encode { type = "text", text = s } end
local function texts(...)
	local list = { ... }
	for i, s in ipairs(list) do list[i] = text_block(s) end
	return '{"content":[' .. table.concat(list, ",") .. "]}"
end
local function structured(raw, text)
	return '{"content":[' .. text_block(text or raw) .. '],"structuredContent":' .. raw .. "}"
end

-- ---- from a tool to a model ----

-- { what, the tool's result, the script (r is what the tool answered), the text that a model reads }
local ANSWERS = {
	{ "a text", texts "hello", "r", "hello" },
	{ "several texts, one a line", texts("one", "two"), "r", "one\ntwo" },
	{ "a text that is an object", texts '{"b":1,"a":"x"}', "r", '{"a":"x","b":1}' },
	{ "a text that is a list", texts " [1,2] ", "r", "[1,2]" },
	{ "a text that is a number stays a text", texts "12", "r .. type(r)", "12string" },
	{ "a text that looks like an object", texts "{not json}", "r", "{not json}" },
	{ "two texts are one text", texts('{"a":1}', '{"a":2}'), "type(r)", "string" },
	{ "no content", '{"content":[]}', "r == ''", "true" },
	{ "structured content wins", structured('{"a":1}', "one"), "r.a", "1" },
	{ "structured null is none", structured("null", "one"), "r", "one" },
	{ "a member that is null is absent", structured '{"at":null,"n":1}', "r.at == nil and not r.at", "true" },
	{ "and comes back as null", structured '{"at":null,"n":1}', "r", '{"at":null,"n":1}' },
	{ "a null that was filled", structured '{"at":null}', "(function() r.at = 5 return r end)()", '{"at":5}' },
	{ "of a list a null keeps its place", structured '{"l":[1,null,3]}', "#r.l, r.l[2] == null, r.l", "[3,true,[1,null,3]]" },
	{ "nulls of rows", texts '[{"a":1,"b":null},{"a":2,"b":null},{"a":3,"b":4}]', "r", "a\tb\n1\t\n2\t\n3\t4" },
	{ "int64", structured '{"n":9223372036854775807}', "r.n, math.type(r.n)", '[9223372036854775807,"integer"]' },
	{ "beyond int64: its digits", structured '{"n":9223372036854775808}', "r.n", "9223372036854775808" },
	{ "an integer over 2^53", structured '{"n":30451149516}', "r.n", "30451149516" },
	{ "a float", structured '{"n":0.1}', "r.n * 2", "0.2" },
	{ "a float that is whole", structured '{"n":10}', "r.n / 2", "5" },
	{ "a number too large for a double", structured '{"n":1e999}', "r.n", "1e999" },
	{ "empty list and object", structured '{"l":[],"o":{}}', "r", '{"l":[],"o":[]}' },
	{ "an empty table", structured "{}", "{}", "[]" },
	{ "true and false", structured '{"a":true,"b":false}', "r", '{"a":true,"b":false}' },
	{ "escapes and Unicode", structured [[{"s":"a\u00e9\ud83d\ude00\n\t\"\u0000"}]], "#r.s, r.s:sub(1, 3)", '[11,"aé"]' },
	{ "strings as they are", texts "x", '"two\\nlines"', "two\nlines" },
	{ "three rows are a table", texts "x", '{{id=1, s="a\\tb"}, {id=2, s="c"}, {id=3, s="d"}}', "id\ts\n1\ta\\tb\n2\tc\n3\td" },
	{ "two rows are not", texts "x", "{{id=1}, {id=2}}", '[{"id":1},{"id":2}]' },
	{ "what nests in rows is JSON", texts "x", "{{a={1}, b={x='\\t'}}, {a={2}, b={}}, {a={3}, b=1}}", 'a\tb\n[1]\t{"x":"\\t"}\n[2]\t[]\n[3]\t1' },
	{ "what rows lack is empty", texts "x", "{{n=1, to='a'}, {n=2}, {at=5, n=3}, {n=4, to='d'}}", "at\tn\tto\n\t1\ta\n\t2\t\n5\t3\t\n\t4\td" },
	{ "rows that lack more than half are not", texts "x", "{{a=1}, {b=2}, {c=3}}", '[{"a":1},{"b":2},{"c":3}]' },
	{ "nor are lists of more than objects", texts "x", "{{a=1}, {a=2}, {a=3}, 4}", '[{"a":1},{"a":2},{"a":3},4]' },
	{ "nor empty ones", texts "x", "{{}, {}, {}}", "[[],[],[]]" },
	{ "rows that differ in many columns are not", texts "x", "(function() local t = {{}, {}, {}} for i = 1, 25 do t[1]['k' .. i] = i t[2]['k' .. i] = i end t[3].k1 = 1 return t end)()",
		'[{"k1":1,"k10":10,"k11":11,"k12":12,"k13":13,"k14":14,"k15":15,"k16":16,"k17":17,"k18":18,"k19":19,"k2":2,"k20":20,"k21":21,"k22":22,"k23":23,"k24":24,"k25":25,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9},{"k1":1,"k10":10,"k11":11,"k12":12,"k13":13,"k14":14,"k15":15,"k16":16,"k17":17,"k18":18,"k19":19,"k2":2,"k20":20,"k21":21,"k22":22,"k23":23,"k24":24,"k25":25,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9},{"k1":1}]' },
	{ "a table in an object stands under its name", texts "x", "{total=9, next=null, rows={{id=1}, {id=2}, {id=3}}}",
		'{"next":null,"total":9}\nrows:\nid\n1\n2\n3' },
	{ "so do several, and nothing else", texts "x", "{a={{id=1}, {id=2}, {id=3}}, b={{x=1}, {x=2}, {x='y'}}}", 'a:\nid\n1\n2\n3\nb:\nx\n1\n2\ny' },
	{ "a list that is no table stays in its object", texts "x", "{rows={{id=1}, {id=2}}, n=2}", '{"n":2,"rows":[{"id":1},{"id":2}]}' },
	{ "several values", texts "x", "1, nil, 'a'", '[1,null,"a"]' },
	{ "keys are sorted", texts "x", "{b=1, a=2, [10]=3, [9]=4}", '{"10":3,"9":4,"a":2,"b":1}' },
	{ "a list with a gap is an object", texts "x", "{1, nil, 3}", '{"1":1,"3":3}' },
	{ "an array with a gap has null there", texts "x", "(function() local t = array{} t[1] = 1 t[3] = 3 return t end)()", "[1,null,3]" },
	{ "json.encode, json.decode", texts "x", "json.decode(json.encode(json.decode('{\"a\":null,\"b\":[]}')))", '{"a":null,"b":[]}' },
	{ "nothing", texts "x", "nil", "ok, no return value (1 calls)" },
	{ "nan", texts "x", "{rows={1, 0/0}}", "JSON has no number for nan (at rows[2])" },
	{ "inf", texts "x", "{a={b=1/0}}", "JSON has no number for inf (at a.b)" },
	{ "a function", texts "x", "{f=print}", "JSON cannot hold a function (at f)" },
	{ "a table in itself", texts "x", "(function() local t = {} t.a = {t} return t end)()",
		"JSON cannot hold a table that contains itself (at a[1])" },
	{ "a fraction as a key", texts "x", "{[1.5]=1}", "JSON cannot have a fraction as a key" },
}

-- ---- from a script to a tool ----

local TAKES = { type = "object", properties = {
	list = { type = "array", items = { type = "object", properties = { tags = { type = "array" } } } },
	object = { type = "object" }, either = { type = json.array { "object", "array" } }, any = {},
	maybe = { anyOf = json.array { { type = "array" }, { type = "null" } } },
	many = { allOf = json.array { { type = "array" } } },
	id = { type = "integer" }, name = { type = "string" }, parent = { type = json.array { "string", "null" } },
	deep = { ["$ref"] = "#/$defs/deep" }, map = { type = "object", additionalProperties = { type = "array" } },
}, ["$defs"] = { deep = { type = "object", properties = { l = { type = "array" }, id = { type = "integer" } } } } }

-- { arguments as a script writes them, the arguments that the server got }
local SENT = {
	{ "{}", "{}" },
	{ "{list={}}", '{"list":[]}' },
	{ "{list={{tags={}}}}", '{"list":[{"tags":[]}]}' },
	{ "{object={}}", '{"object":{}}' },
	{ "{object=array{}}", '{"object":{}}' },
	{ "{either={}}", '{"either":{}}' },
	{ "{any={}}", '{"any":{}}' },
	{ "{any=array{}}", '{"any":[]}' },
	{ "{maybe={}}", '{"maybe":[]}' },
	{ "{many={}}", '{"many":[]}' },
	{ "{deep={l={}}}", '{"deep":{"l":[]}}' },
	{ "{map={a={}, b={}}}", '{"map":{"a":[],"b":[]}}' },
	{ "{unknown={}}", '{"unknown":{}}' },
	{ "{parent=null}", '{"parent":null}' },
	{ "{parent=nil}", "{}" },
	{ "{list={null}}", '{"list":[null]}' },
	{ "{id=3.0}", '{"id":3}' },
	{ "{id=10/2}", '{"id":5}' },
	{ "{id=9007199254740993}", '{"id":9007199254740993}' },
	{ "{id='9223372036854775808'}", '{"id":9223372036854775808}' },
	{ "{deep={id='-9223372036854775809'}}", '{"deep":{"id":-9223372036854775809}}' },
	{ "{name='9223372036854775808'}", '{"name":"9223372036854775808"}' },
	{ "{any='9223372036854775808'}", '{"any":"9223372036854775808"}' },
	{ "{name='\\u{e9}\\0'}", '{"name":"é\\u0000"}' },
	{ "{name='\\0'}", '{"name":"\\u0000"}' },
	{ "{list=map({}, print), object={a={}}}", '{"list":[],"object":{"a":{}}}' },
	{ "json.decode('{\"any\":{\"x\":null},\"parent\":null}')", '{"any":{"x":null},"parent":null}' },
}

test "what a tool answers, a script sees and a model reads"
local run, up = world { tool "say" }
for _, case in ipairs(ANSWERS) do
	up.by_name.say.raw = case[2]
	local got = run("local r = box.say{} return " .. case[3])
	if got:find("^error") then expect(got, case[1]):has(case[4])
	else expect(got, case[1]):is(case[4]) end
end

test "a printed table is JSON, and printing and returning are all that comes back"
local run, up = world { tool("say", { raw = structured '{"secret":1}' }) }
expect(run "local r = box.say{} print('n', {1, {a=true}}, nil) return 7"):is 'n\t[1,{"a":true}]\tnil\n7'
expect(run "box.say{} box.say{}"):is "ok, no return value (2 calls)"
expect(run "box.say{} print('done')"):is "done\n"

test "a wrapper of one member is taken off"
local run, up = world {
	tool("read", { output = { type = "object", properties = { content = { type = "string" } }, required = json.array { "content" } },
		raw = structured('{"content":"the file"}', "the file") }),
	tool("count", { output = { type = "object", properties = { result = { type = "integer" } }, ["x-fastmcp-wrap-result"] = true },
		raw = structured('{"result":42}', "42") }),
	tool("plain", { output = { type = "object", properties = { result = { type = "integer" } } }, raw = structured('{"result":42}', "42") }),
	tool("blocks", { output = { type = "object", properties = { content = { type = "array" } } }, raw = structured('{"content":[1]}', "x") }),
}
expect(run "return box.read{}"):is "the file"
expect(run "return box.count{} + 1"):is "43"
expect(run "return box.plain{}"):is '{"result":42}'
expect(run "return box.blocks{}"):is '{"content":[1]}'

test "what a script passes, as its server gets it"
local run, up = world { tool("take", { input = TAKES }) }
for i, case in ipairs(SENT) do
	expect(run("return box.take(" .. case[1] .. ")"), case[1]):is "take done"
	expect(up.calls[i].raw, case[1]):has('"arguments":' .. case[2] .. ',"_meta"')
end
expect(#up.calls):is(#SENT)

test "what cannot be an argument is told with its place, and nothing is sent"
local run, up = world { tool("take", { input = TAKES }) }
expect(run "return box.take{list={{price=0/0}}}"):has "JSON has no number for nan (at list[1].price)"
expect(run "return box.take{id='9223372036854775808x'}"):has "`id` must be of type"
expect(#up.calls):is(0)
