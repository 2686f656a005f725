-- SPDX-License-Identifier: Apache-2.0
-- What the documents list is what there is: settings, refusals, metrics, commands.

local function lines_of(path, pattern)
	local set = {}
	for a, b, c, d in (read_file(path) or rig.fail("there is no " .. path)):gmatch(pattern) do set[a] = { b, c, d } end
	return set
end

-- Both sets of names, each in the other.
local function same(one, other, what)
	for name in pairs(one) do if not other[name] then rig.fail(name .. " is not in " .. what[2] .. ", but in " .. what[1]) end end
	for name in pairs(other) do if not one[name] then rig.fail(name .. " is not in " .. what[1] .. ", but in " .. what[2]) end end
end

test "each setting that is read is named in docs/settings.md, and each top key of its table is read"
local text, read, n = read_file("docs/settings.md"), {}, 0
for file in io.popen("ls gateway/settings*.c"):lines() do
	for name in read_file(file):gmatch('{ "([%l_]+)",[^{}]-[%w_]+_read[%w_]* }') do read[name] = true end
	for name in read_file(file):gmatch('{ "([%l_]+)",[^{}]-code_mode_setting }') do read[name] = true end
end
for name in pairs(read) do
	n = n + 1
	if not text:find("`" .. name .. "`", 1, true) and not text:find("[`{ ]" .. name .. ":") and
		not text:find("[{,] " .. name .. "[, ]") then
		rig.fail("docs/settings.md does not name " .. name)
	end
end
expect(n > 70):is(true)
local top = text:match("\n| key | default | means |\n|[%-|]+|\n(.-)\n\n")
for name in ("\n" .. top):gmatch("\n| `([%l_]+)` | ") do
	if not read[name] then rig.fail(name .. " of docs/settings.md is no setting") end
end

test "docs/errors.md has each word of a refusal, with its status, its type and whether it is tried again"
local table_of = lines_of("base/err.h", 'X%([%u_]+, +"([%l_]+)", +(%d+), +%-?%d+, +"([%l_]*)".-(%l+)%)')
table_of.ok = nil
local written = lines_of("docs/errors.md", "\n| `([%l_]+)` | (%d+) | `([%l_]+)` | (%l+) |")
same(table_of, written, { "base/err.h", "docs/errors.md" })
for word, is in pairs(table_of) do
	expect(written[word][1], word):is(is[1])
	expect(written[word][2], word):is(is[2])
	expect(written[word][3], word):is(is[3] == "true" and "yes" or "no")
end

test "each metric says what it means, as docs/metrics.md does, and none has an unknown form"
local gw = gateway {}
local metrics = gw:client():get("/metrics").body
expect(metrics:sub(-1)):is("\n")
local help, last = {}, ""
for line in metrics:gmatch("([^\n]*)\n") do
	local name, text = line:match("^# HELP tollgate_([%l_]+) (.+)$")
	if name then
		if help[name] then rig.fail(name .. " is there twice") end
		help[name] = text
	elseif line:match("^# TYPE") then
		local typed, kind = line:match("^# TYPE tollgate_([%l_]+) (%l+)$")
		if not help[typed] then rig.fail(line .. " has no HELP before it") end
		expect(kind == "gauge" or kind == "counter"):is(true)
		if (kind == "counter") ~= (typed:sub(-6) == "_total") then rig.fail(typed .. " is a " .. kind) end
		last = typed
	else
		local of, labels, value = line:match("^tollgate_([%l_]+)(%b{}) (%-?%d+)$")
		if not of then of, value = line:match("^tollgate_([%l_]+) (%-?%d+)$") end
		if of ~= last or not value then rig.fail("no sample of " .. last .. ": " .. line) end
		if labels then expect(labels):matches('^{[%l_]+="[^"\\]*"[^"]*["%l%d_=,/]*}$') end
	end
end
local written = {}
for name, text in read_file("docs/metrics.md"):gmatch("\n| `([%l_]+)` | [^|]* | ([^|]+) |") do written[name] = text end
for name, text in pairs(help) do expect(written[name], name):is(text) end
-- Without a webhook and without tool servers some are not there.
for name in pairs(written) do
	if not help[name] and not name:match("^webhook_") and not name:match("^mcp_server_") then rig.fail(name .. " is no metric") end
end

test "README names each command"
local readme = read_file("README.md")
local p = process({ gateway({ start = false }):binary(), "--help" }, {})
p:wait()
for name in p.out:gmatch("\n  tollgate (%S+)") do
	if not readme:find("`" .. name .. "[ `]") then rig.fail("README.md does not name the command " .. name) end
end
