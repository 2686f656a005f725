-- SPDX-License-Identifier: Apache-2.0
-- Scripts as models write them: each runs, or its error holds all that is needed to fix it in one go.
--
--   { script, "what comes back" }        it runs
--   { script, says = { "part", ... } }   it fails, and the text has every part
--   calls = n                            how many calls reached a server

local ROWS = json.array {
	{ id = 1, name = "Ann", total = 30, city = "Bonn" }, { id = 2, name = "Bob", total = 12 },
	{ id = 3, name = "Cyd", total = 7, city = "Bonn" },
}
local FILES = { ["a.txt"] = "one\ntwo\nthree", ["b.txt"] = "x,1\ny,2", ["c.json"] = '{"debug":true,"ports":[80,443]}' }

local function object(properties, required)
	return { type = "object", properties = properties, required = json.array(required or {}), additionalProperties = false }
end
local STRING, INTEGER = { type = "string" }, { type = "integer" }
local function text(s) return { content = json.array { { type = "text", text = s } } } end
local function data(v) return { content = json.array { { type = "text", text = json.encode(v) } }, structuredContent = v } end

local files = mcp_server "files" { tools = {
	{ name = "list_directory", inputSchema = object({ path = STRING }, { "path" }),
		result = function() return data { entries = json.array { { name = "a.txt", size = 13 }, { name = "b.txt", size = 7 } }, total = 2 } end },
	{ name = "read_text_file", inputSchema = object({ path = STRING, head = INTEGER }, { "path" }),
		result = function(a)
			local s = FILES[a.path]
			if s then return text(s) end
			return { content = json.array { { type = "text", text = "ENOENT: no such file: " .. tostring(a.path) } }, isError = true }
		end },
	{ name = "write_file", inputSchema = object({ path = STRING, content = STRING }, { "path", "content" }),
		result = function(a) return text("wrote " .. #a.content .. " bytes") end },
} }
local db = mcp_server "db" { tools = {
	{ name = "query", inputSchema = object({ sql = STRING, values = { type = "array" } }, { "sql" }),
		result = function() return data { rows = ROWS, count = 3 } end },
} }
local issues = mcp_server "issues" { tools = {
	{ name = "list_issues", inputSchema = object({ repo = STRING, state = { type = "string", enum = json.array { "open", "closed", "all" } },
		limit = INTEGER }, { "repo" }),
		result = function() return data { items = json.array {
			{ number = 7, title = "Crash", user = { login = "ann" }, labels = json.array { "bug" } },
			{ number = 9, title = "Docs", labels = json.array() } } } end },
	{ name = "create_issue", inputSchema = object({ repo = STRING, title = STRING, body = STRING, labels = { type = "array" } },
		{ "repo", "title" }), result = function(a) return data { number = 10, title = a.title } end },
	{ name = "close-issue", inputSchema = object({ number = INTEGER }, { "number" }), result = function() return text "closed" end },
} }
local UPS = { files, db, issues }

local SCRIPTS = {
-- around the code
{ "```lua\nreturn db.query{sql='q'}.count\n```", "3" },
{ "```\nreturn 1 + 1\n```", "2" },
{ "Here's the script you asked for:\n\n```lua\nlocal r = db.query{sql = 'q'}\nreturn r.count\n```\n\nIt counts the rows.", "3" },
{ "`return 5`", "5" },
{ "```lua\nreturn db.query{sql='q'}.rows[9].name\n```", says = { "error line 2:", "2| return db.query", "nil value (field '" } },
-- operators of other languages
{ "local n = 0 for _, r in ipairs(db.query{sql='q'}.rows) do if r.city != nil then n = n + 1 end end return n", "2" },
{ "local n = 0 for _, r in ipairs(db.query{sql='q'}.rows) do n += r.total end return n", "49" },
{ "local s = '' for _, r in ipairs(db.query{sql='q'}.rows) do s ..= r.name .. ' ' end return s", "Ann Bob Cyd " },
{ "local c = {} for _, r in ipairs(db.query{sql='q'}.rows) do local k = r.city or 'none' c[k] = c[k] or 0 c[k] += 1 end return c.Bonn", "2" },
{ "local i = 0 while i < 3 do i++ end return i", "3" },
{ "local x = 10 x -= 3 x *= 2 return x", "14" },
{ "local r = db.query{sql='q'} if r && r.count === 3 && !r.error then return 'ok' end", "ok" },
{ "if 1 !== 2 || false then return 'different' end", "different" },
{ "return 2 ** 10", "1024" },
{ "local t = {n = 1} local function f() return t end f().n += 1 return t.n",
	says = { "syntax error line 1", "no += there: x = x + y, with the left side in a local first" } },
{ "local n = db.query{sql='q'}.count return n > 2 ? 'many' : 'few'", says = { "syntax error line 1", "near '?'", "c and a or b" } },
{ "local r = db.query{sql='q'} return r?.rows", says = { "(t or {}).field" } },
{ "local n = nil return n ?? 5", says = { "x or default" } },
{ "return `total ${1}`", says = { "no template strings", ".. x", "string.format" } },
{ "local name = 'x' return f'hello {name}'", says = { "undefined global 'f'", "no f-strings" } },
-- JavaScript
{ "const r = db.query{sql='q'};\nlet n = 0;\nfor (const row of r.rows) { n += row.total }\nreturn n",
	says = { "syntax error line 3", "for i, v in ipairs(list) do" } },
{ "const r = db.query{sql='q'}\nvar n = r.count\nreturn n", "3" },
{ "// count the rows\nlocal r = db.query{sql='q'} // ask the data base\nreturn r.count", "3" },
{ "local r = await db.query{sql='q'}\nreturn r.count", "3" },
{ "local rows = db.query{sql='q'}.rows\nreturn rows.map(r => r.name)", says = { "syntax error line 2", "function(x) return ... end, not =>" } },
{ "local names = db.query{sql='q'}.rows.map(function(r) return r.name end) return names",
	says = { "nil value (field 'map')", "map(list, function(v, i) return ... end)" } },
{ "local rows = db.query{sql='q'}.rows\nrows.forEach(function(r) print(r.name) end)", says = { "field 'forEach'", "for i, v in ipairs(list) do" } },
{ "local out = {} for _, r in ipairs(db.query{sql='q'}.rows) do out.push(r.name) end return out", says = { "field 'push'", "table.insert(list, v)", "out is empty" } },
{ "console.log('hi', db.query{sql='q'}.count)", "hi\t3\n" },
{ "return JSON.stringify({a = 1})", '{"a":1}' },
{ "local r = JSON.parse(db.query{sql='q'}) return r.count", "3" },
{ "local c = JSON.parse(files.read_text_file{path='c.json'}) return c.ports[2]", "443" },
{ "local c = json.decode(files.read_text_file{path='c.json'}) return c.debug", "true" },
{ "return json.stringify(json.parse('[1]'))", "[1]" },
{ "local rows = db.query{sql='q'}.rows return rows.length", "ok, no return value (1 calls)" },
{ "local rows = db.query{sql='q'}.rows for i = 1, rows.length do print(i) end", says = { "bad 'for' limit", "rows is a list of 3", "rows[1] has city, id, name, total" } },
{ "local rows = db.query{sql='q'}.rows for i = 0, #rows - 1 do print(rows[i].name) end", says = { "nil value (field '?')", "lists begin at 1", "rows is a list of 3" } },
{ "local rows = db.query{sql='q'}.rows return rows[0].name", says = { "lists begin at 1", "rows is a list of 3" } },
{ "local r = db.query{sql='q'}\nif r.rows[2].city === null { return 'none' }", says = { "syntax error line 2", "then ... end" } },
{ "local r = db.query{sql='q'}\nif r.rows[2].city === null then return 'none' end", "none" },
{ "local r = db.query{sql='q'} if r.error !== undefined then return 'bad' end return 'good'", "good" },
{ "function f(x) { return x + 1 }\nreturn f(1)", says = { "syntax error line 1", "function f(x) ... end, not { }" } },
{ "try { db.query{sql='q'} } catch (e) { print(e) }", says = { "undefined global 'try'", "pcall(function() ... end)" } },
{ "throw 'no'", says = { "error(\"text\")" } },
{ "local s = 'Hello' return s.toUpperCase()", says = { "field 'toUpperCase'", "s:upper()" } },
{ "return ('a-b'):replace('-', '+')", says = { "method 'replace'", "s:gsub(pattern, replacement)" } },
{ "return ('hello'):includes('ell')", "true" },
{ "return ('a.txt'):endsWith('.txt'), ('a.txt'):startswith('b')", "[true,false]" },
{ "return Object.keys(db.query{sql='q'})", says = { "undefined global 'Object'", "keys(t)" } },
{ "return Math.floor(2.5)", says = { "undefined global 'Math'", "math.floor" } },
{ "return parseInt('5')", says = { "undefined global 'parseInt'", "tonumber(x)" } },
{ "return [1, 2, 3]", "[1,2,3]" },
{ "return {\"a\": [1, {\"b\": true}], c: 'x'}", '{"a":[1,{"b":true}],"c":"x"}' },
{ "return issues.create_issue({\"repo\": \"x\", \"title\": \"T\", \"labels\": [\"bug\"]}).title", "T" },
{ "return issues.create_issue({\"repo\": \"x\", \"labels\": [\"bug\"]}).title", calls = 0, says = { "missing `title`" } },
{ "local r = [r.name for r in db.query{sql='q'}.rows]", says = { "syntax error", "no comprehensions: map(list" } },
{ "local {a, b} = {a=1, b=2}", says = { "local a, b = t.a, t.b" } },
{ "local [a, b] = {1, 2}", says = { "local a, b = t[1], t[2]" } },
{ "return 1 if true else 2", says = { "c and x or y" } },
{ "if 1 <> 2 then return 1 end", says = { "not equal is ~=" } },
{ "local t = {name: 'x'} return t", '{"name":"x"}' },
{ "local rs = await Promise.all({1})\nreturn rs", says = { "undefined global 'Promise'", "pmap(list, fn)" } },
{ "import json\nreturn 1", says = { "syntax error", "nothing to import" } },
{ "switch (x) { case 1: return 2 }", says = { "syntax error", "elseif" } },
{ "local x = new Map()", says = { "no classes in Lua" } },
{ "return typeof(1)", says = { "undefined global 'typeof'", "type(x)" } },
-- Python
{ "# how many\nlocal r = db.query{sql='q'}  # rows\nreturn r.count", "3" },
{ "def f(x):\n  return x\nreturn f(1)", says = { "syntax error line 1", "function f(x) ... end" } },
{ "for r in db.query{sql='q'}.rows:\n  print(r.name)", says = { "syntax error", "for i, v in ipairs(list) do" } },
{ "local n = None if n == None then return True end", "true" },
{ "local ok = False if not ok then return 'no' end", "no" },
{ "local r = db.query{sql='q'} return len(r.rows)", says = { "undefined global 'len'", "#x" } },
{ "return str(5) .. 'x'", says = { "undefined global 'str'", "tostring(x)" } },
{ "for i in range(3) do print(i) end", says = { "undefined global 'range'", "for i = 1, n do" } },
{ "for k, v in pairs{a = 1} do print(f'{k}') end", says = { "no f-strings" } },
{ "local n = 3\nif n == 1 then return 'a'\nelif n == 3 then return 'b'\nend", "b" },
{ "local t = {} t.append(1)", says = { "field 'append'", "table.insert(list, v)" } },
{ "print 'a' print(\"b\")", "a\nb\n" },
{ "print 5", says = { "syntax error line 1" } },
{ "local x = 5 if x in {5} then return 1 end", says = { "syntax error", "no in operator" } },
{ "import os\nprint(os.getcwd())", says = { "nothing to import" } },
{ "lambda x: x", says = { "function(x) return ... end" } },
{ "raise Exception('no')", says = { "error(\"text\")" } },
{ "return (' a '):strip()", "a" },
{ "return ('a,b'):split(',')", '["a","b"]' },
-- Lua, nearly
{ "for i = 1, 4 do\n  if i == 2 then continue end\n  print(i)\nend", "1\n3\n4\n" },
{ "local i = 0 repeat i = i + 1 if i == 2 then continue end print(i) until i >= 3", "1\n3\n" },
{ "local out = {} for _, r in ipairs(db.query{sql='q'}.rows) do if not r.city then continue end local n = r.name out[#out + 1] = n end return out", '["Ann","Cyd"]' },
{ "local n = 2\nif n == 1 then\n  return 'a'\nelse if n == 2 then\n  return 'b'\nend", "b" },
{ "local n = 2\nif n == 2\n  return 'b'\nend", says = { "syntax error line 3", "'then' expected near 'return'" } },
{ "for _, r in ipairs(db.query{sql='q'}.rows) do\n  print(r.name)", says = { "'end' expected" } },
{ "if 1 = 1 then return 1 end", says = { "compare with ==" } },
{ "for _, r in db.query{sql='q'}.rows do print(r.name) end", says = { "call a table value", "ipairs(list)" } },
{ "return 'total: ' + 5", says = { "attempt to add a 'string'", "join text with .., not +" } },
{ "local r = db.query{sql='q'} return 'rows: ' .. r", says = { "concatenate a table value", "json.encode(t)" } },
{ "local r = db.query{sql='q'} return 'first: ' .. tostring(r.rows[2])", 'first: {"id":2,"name":"Bob","total":12}' },
{ "print(db.query{sql='q'}.rows[2])", '{"id":2,"name":"Bob","total":12}\n' },
{ "return string.format('%s', {1, 2})", "[1,2]" },
{ "local json = require('json') return json.encode({1})", "[1]" },
{ "local http = require('socket.http')", says = { "no module 'socket.http'", "without require" } },
{ "return string.match('a1', '\\d')", says = { "invalid escape sequence", "patterns escape with %" } },
{ "local f = io.open('a.txt') return f:read('*a')", says = { "undefined global 'io'", "only the tools of the servers" } },
{ "return os.getenv('HOME')", says = { "undefined global 'os.getenv'", "no environment" } },
{ "return unpack({1, 2})", "[1,2]" },
{ "local totals = 5\nreturn total", says = { "error line 2", "undefined global 'total'", "did you mean totals?" } },
-- shapes
{ "local n = 0 for _, r in ipairs(map(db.query{sql='q'}, function(r) return r end)) do n = n + 1 end return n",
	says = { "bad argument #1 to 'map'", "fields count, rows" } },
{ "local n = 0\nfor _, r in ipairs(db.query{sql='q'}) do n = n + 1 end return n",
	says = { "error line 2", "bad argument #1 to 'ipairs'", "the fields count, rows[3]", "pass the field that is the list" } },
{ "for _, e in ipairs(files.list_directory{path='.'}) do print(e.name) end", says = { "the fields entries[2], total", "pass the field that is the list" } },
{ "local by = group_by(db.query{sql='q'}.rows, 'city')\nfor k, v in ipairs(by) do print(k, #v) end", says = { "error line 2", "the fields Bonn[2]", "for k, v in pairs(t)" } },
{ "local c = {} for _, r in ipairs(db.query{sql='q'}.rows) do c[r.name] = r.total end\nfor k, v in ipairs(c) do print(k, v) end return 'done'",
	"note: line 2: ipairs looped over nothing: no list, but the fields Ann, Bob, Cyd\ndone" },
{ "return #issues.list_issues{repo='x'}", "note: line 1: # is 0: no list, but the fields items[2]\n0" },
{ "local r = db.query{sql='q'} for i = 1, #r do print(r[i].name) end return 'none'", "note: line 1: # is 0: no list, but the fields count, rows[3]\nnone" },
-- lists that are empty, and tables that are meant so: nothing is said
{ "local n = 0 for _, r in ipairs({}) do n = n + 1 end for _, r in ipairs(array{}) do n = n + 1 end return n", "0" },
{ "local r = issues.list_issues{repo='x'}.items[2].labels for _, l in ipairs(r) do print(l) end return #r", "0" },
{ "local r = db.query{sql='q'} r[1] = 'x' for _, l in ipairs(r) do print(l) end return #r", "x\n1" },
{ "local s = setmetatable({n = 0}, {__index = {size = 1}}) for _, x in ipairs(s) do print(x) end return s.size", "1" },
{ "local l = setmetatable({a = 1}, {__index = function(_, i) if i < 3 then return i end end}) local n = 0 for _, x in ipairs(l) do n = n + x end return n", "3" },
{ "local r = db.query{sql='q'} r.note = null return rawlen(r) .. json.encode(r):sub(1, 23)", '0{"count":3,"note":null,' },
-- a walk over values of any kind is no mistake, and ends
{ "local function walk(v)\n  if type(v) ~= 'table' then return 1 end\n  local n = 0\n  for _, x in ipairs(v) do n = n + walk(x) end\n"
	.. "  for k, x in pairs(v) do if type(k) == 'string' then n = n + walk(x) end end\n  return n\nend\nreturn walk(db.query{sql='q'})",
	"note: line 4: ipairs looped over nothing: no list, but the fields count, rows[3]\n12" },
{ "return sum(db.query{sql='q'}, 'total')", says = { "bad argument #1 to 'sum'", "count, rows" } },
{ "return sum(db.query{sql='q'}.rows, 'total')", "49" },
{ "local r = db.query{sql='q'} return r.data.rows", says = { "nil value (field 'data')", "r has count, rows" } },
{ "local r = db.query{sql='q'}\nfor _, x in ipairs(r.items) do print(x) end", says = { "error line 2", "table expected, got nil", "r has count, rows" } },
{ "local l = issues.list_issues{repo='x'}.items\nreturn l[2].user.login", says = { "nil value (field 'user')", "l[2] has labels, number, title" } },
{ "local r = issues.list_issues{repo='x'} for _, i in ipairs(r.items) do print(i.user.login) end", says = { "nil value (field 'user')", "i has labels, number, title" } },
{ "local t = files.read_text_file{path='a.txt'} return t.content[1].text", says = { "nil value (field 'content')", "t is text (13 bytes)" } },
{ "local t = files.read_text_file{path='a.txt'} for _, l in ipairs(t) do print(l) end", says = { "table expected, got string", "lines(s)" } },
{ "local r = files.list_directory{path='.'} return r.entries[1].filename .. '!'", says = { "nil value (field 'filename')", "r.entries[1] has name, size" } },
{ "local r = db.query{sql='q'} return r.total + 1", says = { "arithmetic on a nil value (field 'total')", "r has count, rows" } },
{ "return pmap({'a.txt', 'b.txt'}, function(p)\n  return files.read_text_file{path = p}.size.x\nend)", says = { "error line 2", "nil value (field 'size')" } },
{ "local all = pmap({1, 2}, function(i) local r = db.query{sql='q'} return r.result.x end) return all", says = { "r has count, rows" } },
-- an error has its line, wherever it arose
{ "local x = 1\nreturn map({1}, 5)", says = { "error line 2: bad argument #2 to 'map'" } },
{ "local x = 1\nreturn lines(nil)", says = { "error line 2: bad argument #1 to 'lines'" } },
{ "local x = 1\nreturn string.format('%d', 1.5)", says = { "error line 2: bad argument #2 to 'format' (number has no integer representation)", "%.0f" } },
{ "local x = 1\ntable.sort({1, 'x'})", says = { "error line 2: attempt to compare" } },
{ "local x = 1\nreturn table.concat({1, {2}}, ',')", says = { "error line 2: invalid value (table) at index 2", "map(list, tostring)" } },
{ "local r = pmap({1}, function()\n  return pmap({1}, print)\nend)", says = { "error line 2: pmap and parallel cannot be nested", "inside, use map or a for loop" } },
{ "local x = 1\nerror('no place', 0)", says = { "error: no place" } },
-- the library, as it is called elsewhere
{ "return map(db.query{sql='q'}.rows, 'name')", '["Ann","Bob","Cyd"]' },
{ "return map(function(r) return r.id end, db.query{sql='q'}.rows), #filter(db.query{sql='q'}.rows, 'city')", "[[1,2,3],2]" },
{ "return reduce({1, 2, 3}, function(a, b) return a + b end), reduce({1, 2}, 10, function(a, b) return a + b end)", "[6,13]" },
{ "local rows = db.query{sql='q'}.rows return pluck(sort_by(rows, '-total'), 'id'), pluck(sort_by(rows, 'total', 'asc'), 'id'), pluck(sort_by(rows, 'total', {desc = true}), 'id')",
	"[[1,2,3],[3,2,1],[1,2,3]]" },
{ "return pluck(sort_by(db.query{sql='q'}.rows, function(a, b) return a.total < b.total end), 'id')", "[3,2,1]" },
{ "local r = parallel{n = function() return db.query{sql='q'}.count end, f = function() return files.read_text_file{path='b.txt'} end} return r.n, r.f", '[3,"x,1\\ny,2"]' },
{ "return parallel({1, 2}, function(v) return v * 2 end)", "[2,4]" },
{ "return parallel{n = db.query{sql='q'}.count}", says = { "parallel takes functions (n is a number)" } },
{ "return pmap({{path='a.txt'}, {path='b.txt'}}, files.read_text_file)", '["one\\ntwo\\nthree","x,1\\ny,2"]' },
{ "return keys(db), call_tool('db.query', {sql='q'}).count, _G.db.query{sql='q'}.count", '[["query"],3,3]' },
{ "return db__query{sql='q'}.count + mcp__gate__db__query{sql='q'}.count", "6" },
{ "return mcp__db__qery{sql='q'}", says = { "db: unknown_tool: no tool 'qery'", "did you mean query?" } },
{ "return slack.post{text='x'}", says = { "undefined global 'slack'; the servers are db, files, issues" } },
{ "io.write('a', 1, ' ') io.stdout:write('b\\n') return nil", "a1 b\n" },
{ "return os.time('2026-01-31')", says = { "os.time{year=2026", "s:match" } },
{ "return os.difftime(os.time{year=2026, month=1, day=2}, os.time{year=2026, month=1, day=1})", "86400" },
-- what would be wrong without a sound
{ "local t = files.read_text_file{path='a.txt'}.content\nreturn t", "note: line 1: a text has no field 'content', and nil is returned\n" },
{ "local r = files.read_text_file{path='a.txt'} local t = r.content or r return #t", "13" },
{ "return ''", "ok, an empty text (0 calls)" },
{ "local r = json.decode('{\"user\":null,\"id\":1}') return r.user.login", says = { "nil value (field 'user')", "r has id; null: user" } },
{ "S.f = {print}", says = { "S cannot be kept: JSON cannot hold a function (at f[1])" } },
{ "return sum(db.query{sql='q'}.rows, 'totl')", "note: line 1: sum: no item has the field 'totl'; the first has city, id, name, total\n0" },
{ "return pluck(db.query{sql='q'}.rows, 'nam')", "note: line 1: pluck: no item has the field 'nam'; the first has city, id, name, total\n[]" },
{ "return #sort_by(db.query{sql='q'}.rows, 'x')", "note: line 1: sort_by: no item has the field 'x'; the first has city, id, name, total\n3" },
{ "return group_by(db.query{sql='q'}.rows, 'town')", "note: line 1: group_by: no item has the field 'town'; the first has city, id, name, total\n[]" },
{ "return #group_by(db.query{sql='q'}.rows, 'city').Bonn", "note: line 1: group_by left out 1 of 3 items: city is nil there\n2" },
{ "return sum({}, 'x'), pluck({{a = null}}, 'b'), sum(json.decode('[{\"n\":null}]'), 'n')", "note: line 1: pluck: no item has the field 'b'; the first has a\n[0,[],0]" },
-- shape(): what the first item lacks, or has null, another shows
{ "return shape(db.query{sql='q'}.rows), shape(issues.list_issues{repo='x'}.items)",
	'["{city?:string, id:integer, name:string, total:integer}[3]","{labels:string[1], number:integer, title:string, user?:{login:string}}[2]"]' },
{ "return shape(json.decode('[{\"a\":null,\"l\":[]},{\"a\":1,\"b\":null,\"l\":[{\"x\":1}]}]'))", "{a?:integer, b:null, l:{x:integer}[1]}[2]" },
{ "local t = {} for i = 1, 30 do t['k' .. i] = i end return shape(t), shape{}, shape{{}}, shape{{1}, {2}}, shape{{a=1}, 5}, shape(null), shape('x')",
	'["table<string,integer>[30]","any[0]","any[0][1]","integer[1][2]","{a:integer}[2]","null","string"]' },
-- names and arguments: nothing is called
{ "files.write_file{path='o', content='x'}\nreturn db.query{query='select 1'}", calls = 0,
	says = { "error line 2: db.query: invalid_args: missing `sql` (got query)", "db.query{sql:string", "2| return db.query{query=", "no call was made" } },
{ "return files.read_file{path='a.txt'}", calls = 0, says = { "no tool 'read_file'", "files has list_directory, read_text_file, write_file" } },
{ "return files.read_txt_file{path='a.txt'}", calls = 0, says = { "did you mean read_text_file?", "files.read_text_file{path:string, head?:integer}" } },
{ "return files.readTextFile{path='a.txt'}", "one\ntwo\nthree" },
{ "return issues.close_issue{number=7}", "closed" },
{ "return file.read_text_file{path='a.txt'}", calls = 0, says = { "undefined global 'file'", "did you mean server files?" } },
{ "return files.read_text_file{filename='a.txt'}", calls = 0, says = { "missing `path` (got filename)" } },
{ "return files.read_text_file{path='a.txt', heads=2}", calls = 0, says = { "unknown argument `heads` (did you mean `head`?)" } },
{ "return files.read_text_file('a.txt')", calls = 0, says = { "pass one table", "files.read_text_file{path:string" } },
{ "return files.read_text_file{'a.txt'}", calls = 0, says = { "arguments have names", "path:string" } },
{ "return files:read_text_file{path='a.txt'}", calls = 0, says = { "call it with a dot" } },
{ "return issues.list_issues{repo='x', state='opened'}", calls = 0, says = { "`state` must be one of", "open" } },
{ "return issues.list_issues{repo='x', limit='ten'}", calls = 0, says = { "`limit` must be of type \"integer\" (got a string)" } },
{ "return #issues.list_issues{repo='x', limit='10'}.items, issues.close_issue{number=('#7'):match('%d+')}", '[2,"closed"]' },
{ "return files.write_file{path='n', content=12.5}", "wrote 4 bytes" },
{ "return files.write_file{path='n', content=db.query{sql='q'}}", calls = 1, says = { "`content` must be of type \"string\" (got an object)" } },
{ "local a = {file = 'a.txt'} return files.read_text_file(a)", calls = 0, says = { "error line 1", "missing `path` (got file)", "path:string" } },
{ "return call('files.read_file', {path='a.txt'})", calls = 0, says = { "no tool 'read_file'" } },
{ "if x { return files.read_text_file{} }", calls = 0, says = { "syntax error", "missing `path`" } },
-- errors that are caught, and those that are not
{ "return files.read_text_file{path='z.txt'}", calls = 1, says = { "error line 1: files.read_text_file: tool_error: ENOENT", "1| return files" } },
{ "local ok, e = pcall(files.read_text_file, {path='z.txt'}) return ok, e.code, e.tool", '[false,"tool_error","read_text_file"]' },
{ "local ok, e = pcall(files.read_text_file, {}) return e.code, e.message:match('missing `path`')", '["invalid_args","missing `path`"]' },
{ "local ok, e = pcall(call, 'files.nope', {}) return e.code", "unknown_tool" },
{ "local r = pmap({'a.txt', 'z.txt'}, function(p) return files.read_text_file{path=p} end, {errors='keep'}) return r[2].error.code", "tool_error" },
{ "return pmap({'a.txt', 'z.txt'}, function(p) return files.read_text_file{path=p} end)", calls = 2, says = { "tool_error: ENOENT" } },
{ "local ok, e = pcall(files.read_text_file, {path='z.txt'}) return 'failed: ' .. e", "failed: files.read_text_file: tool_error: ENOENT: no such file: z.txt" },
{ "local ok, e = pcall(files.read_text_file, {path='y.txt'}) if e:find('ENOENT') then return e:match('such file: (.*)') end", "y.txt" },
{ "local ok, e = pcall(files.read_text_file, {path='x.txt'}) return 'failed: ' .. e .. {}", says = { "concatenate a table value", "json.encode(t)" } },
{ "return xpcall(function() error('x') end, debug.traceback)", '[false,"script:1: x"]' },
{ "return xpcall(files.read_text_file, function(e) return debug.traceback(e) .. '!' end, {path='w.txt'})",
	'[false,"files.read_text_file: tool_error: ENOENT: no such file: w.txt!"]' },
{ "error({code = 'mine', n = 2})", says = { "error", '{"code":"mine","n":2}' } },
{ "local t = {3, 'x'} return sort_by(t, function(v) return v end)", says = { "error line 1: attempt to compare" } },
}

local function gateway_of()
	local gw = gateway { servers = { files = files, db = db, issues = issues },
		policies = rules("allow: any/*", "allow: code:run") }
	local key = gw:dev()
	gw:wait_tools(key, 9)
	return gw, gw:mcp(key)
end

local function made() return #files.calls + #db.calls + #issues.calls end

test "every script runs, or is told all that is needed to fix it in one go"
local gw, c = gateway_of()
expect(#SCRIPTS >= 100, "a hundred scripts"):is(true)
local seen = {}
for _, s in ipairs(SCRIPTS) do
	local code, before = s[1], made()
	expect(seen[code], code):is(nil)
	seen[code] = true
	local r = c:call("lua", { code = code })
	local got = r.content[1].text
	if s.says then
		expect(r.isError, code):is(true)
		for _, part in ipairs(s.says) do expect(got, code):has(part) end
		expect(#got < 700, code .. "\n" .. got):is(true) -- and no more than that
	else
		expect(got, code):is(s[2])
	end
	if s.calls then expect(made() - before, code):is(s.calls) end
end

test "what was rewritten is counted in the audit and in metrics, and told only when the run failed"
local gw, c = gateway_of()
local ok = c:call("lua", { code = "```lua\nlocal n = 1 n += 1 n += 1 if n != 3 then return 'no' end return n\n```" })
expect(ok.content[1].text):is "3"
local failed = c:call("lua", { code = "local n = 1 n += 1 error('x')" })
expect(failed.content[1].text):has "changed before it ran: x += y -> x = x + y"
c:call("lua", { code = "return files.nope{}" })
local m = gw:client():get("/metrics").body
expect(m):has 'tollgate_run_fixes_total{kind="fence"} 1'
expect(m):has 'tollgate_run_fixes_total{kind="assign"} 3'
expect(m):has 'tollgate_run_fixes_total{kind="not_equal"} 1'
expect(m):has "tollgate_runs_refused_total 1"
gw:stop()
local details = {}
for _, row in ipairs(gw:audit()) do if row.kind == "run" then details[#details + 1] = row.detail end end
expect(details):same { "DONE, fixed: fence, not_equal, assign x2", "RUNTIME, fixed: assign", "LINT" }
