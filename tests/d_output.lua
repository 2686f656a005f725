-- SPDX-License-Identifier: Apache-2.0
-- What a model reads of a script stays within a budget of 4,000 tokens, 16,000 bytes.

local BUDGET = 16000

local function world()
	local up = mcp_server "box" { tools = { "nothing" } }
	local gw = gateway { servers = { box = up }, policies = rules('allow: "box/*"', "allow: code:run") }
	local key = gw:dev()
	gw:wait_tools(key, 3)
	local c = gw:mcp(key)
	return function(code)
		local r = c:call("lua", { code = code })
		expect(#r.content):is(1)
		local text = r.content[1].text
		expect(utf8.len(text) ~= nil, "no character is parted"):is(true)
		return text
	end
end

test "a table that is too long keeps its columns, its first and its last rows, and tells its shape"
local run = world()
local text = run "local t = {} for i = 1, 2000 do t[i] = {id=i, name='row number ' .. i} end return t"
expect(#text <= BUDGET, "within the budget"):is(true)
expect(#text > BUDGET * 9 // 10, "and uses it"):is(true)
local head, left, tail, bytes, tokens = text:match(
	"^id\tname\n1\trow number 1\n(.*)\n%[%.%.%. (%d+) rows left out %.%.%.%]\n(.*)\n%[cut: (%d+) bytes, about (%d+) tokens; " ..
	"shape: {id:integer, name:string}%[2000%]; full value in `last`%]$")
expect(head ~= nil, text:sub(-300)):is(true)
local shown = select(2, head:gsub("\n", "")) + 2 + select(2, tail:gsub("\n", "")) + 1
expect(shown + tonumber(left)):is(2000)
expect(tail):has("2000\trow number 2000")
local whole = #"id\tname"
for i = 1, 2000 do whole = whole + 1 + #(i .. "\trow number " .. i) end
expect(tonumber(bytes)):is(whole)
expect(tonumber(tokens)):is(whole // 4)

test "a list that is too long is items, one a line"
local run = world()
local text = run "local t = {} for i = 1, 3000 do t[i] = {{i, i}} end return t"
expect(#text <= BUDGET):is(true)
expect(text):has('[[1,1]]\n[[2,2]]\n')
expect(text):has(" items left out ...]\n")
expect(text):has('[[3000,3000]]\n[cut: ')
expect(text):has("shape: integer[2][1][3000];")

test "a table in an object that is too long loses whole lines"
local run = world()
local text = run "local t = {} for i = 1, 3000 do t[i] = {id=i, tags={i}} end return {total=3000, rows=t}"
expect(#text <= BUDGET):is(true)
expect(text):has('{"total":3000}\nrows:\nid\ttags\n1\t[1]\n2\t[2]\n')
expect(text):has(" lines left out ...]\n")
expect(text):has("\n3000\t[3000]\n[cut: ")
expect(text):has("shape: {rows:{id:integer, tags:integer[1]}[3000], total:integer};")

test "of a map the shape is that of its values, of a record that of each"
local run = world()
expect(run "local t = {} for i = 1, 3000 do t['key' .. i] = i end return t"):has "shape: table<string,integer>[3000]; full"
expect(run "local t = {} for i = 1, 3000 do t['key' .. i] = {n=i, l={}} end return {t=t}"):has "shape: {t:table<string,{l:any[0], n:integer}>[3000]}; full"
expect(run "local t = {s=('x'):rep(17000)} for i = 1, 20 do t['k' .. i] = i end return t"):has "k9:integer, s:string(17000)};"

test "an object that is too long is cut in the middle, at characters"
local run = world()
for _, lead in ipairs { "", "a", "aa", "aaa" } do
	local text = run(("return {a=1, s=%q .. ('\\u{20ac}\\u{1F600}'):rep(9000), z=2}"):format(lead))
	expect(#text <= BUDGET ):is(true)
	expect(text):has('{"a":1,"s":"')
	expect(text:match("%[%.%.%. %d+ of %d+ bytes left out %.%.%.%]") ~= nil):is(true)
	expect(text):has('","z":2}\n[cut: ')
	expect(text):has("shape: {a:integer, s:string(" .. #lead + 63000 .. "), z:integer};")
end

test "a text that is too long is cut in the middle"
local run = world()
local text = run "return 'begin ' .. ('x'):rep(50000) .. ' end'"
expect(text):has("begin xxx")
expect(text):has("xxx end\n[cut: 50010 bytes, about 12502 tokens; shape: string(50010); full value in `last`]")

test "one row that is too long is cut like a text"
local run = world()
expect(run "return {{s=('x'):rep(30000)}, {s='y'}, {s='z'}}"):has("bytes left out")

test "the next script finds the whole value in last"
local run = world()
expect(run "return ('x'):rep(500000)"):has("full value in `last`]")
expect(run "return #last"):is("500000")

test "what fits is whole, to the byte"
local run = world()
expect(#run "return ('x'):rep(16000)"):is(16000)
expect(run "return ('x'):rep(16001)"):has("[cut: 16001 bytes")

test "printed text and value share the budget"
local run = world()
local text = run "print(('p'):rep(40000)) return ('v'):rep(40000)"
expect(#text <= BUDGET):is(true)
expect(select(2, text:gsub("p", "")) > 3500, "a quarter is the log's"):is(true)
expect(select(2, text:gsub("v", "")) > 11000, "the rest is the value's"):is(true)
text = run "print(('p'):rep(40000)) return 'v'"
expect(select(2, text:gsub("p", "")) > 15000, "what the value leaves is the log's"):is(true)
expect(text):has("ppp\nv")
text = run "for i = 1, 3000 do print('line ' .. i) end"
expect(text):has("line 1\n")
expect(text):has("line 3000\n")
text = run "print(('p'):rep(40000)) error('late')"
expect(text):has("error line 1: late")

test "printed bytes that are no UTF-8 are repaired"
local run = world()
expect(run "print('a\\xffb')"):is("a\u{fffd}b\n")

test "a value over a million bytes is refused, and says so"
local run = world()
expect(run "return ('x'):rep(1000001)"):has("larger than 1000000 bytes")
