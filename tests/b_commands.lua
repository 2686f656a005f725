-- SPDX-License-Identifier: Apache-2.0
-- What is typed: each command's help is what it takes, nothing typed is passed over, --json is JSON.

local gw = gateway {}

local function tollgate(...)
	local p = process({ gw:binary(), ... }, {}, gw.folder)
	return { code = p:wait(), out = p.out, err = p.err }
end

-- "  tollgate key list [--json]" of a help, as {"key", "list [--json]"}.
local function forms()
	local list = {}
	for name in tollgate("--help").out:gmatch("\n  tollgate (%S+)") do
		local help = tollgate(name, "--help")
		expect(help.code):is(0)
		expect(help.err):is("")
		local usage, example = help.out:match("^(.-)\nexample:\n(.*)$")
		if not example then rig.fail("the help of " .. name .. " ends without an example") end
		expect(example):has("tollgate " .. name)
		for line in usage:gmatch("\n  tollgate ([^\n]+)") do
			list[#list + 1] = { name, line:match("^%S+ ?(.*)$") }
		end
	end
	return list
end

test "every option that a help names is one that is read"
-- limit: 60 s
local seen = 0
for _, form in ipairs(forms()) do
	local name, line = form[1], form[2]
	for option in (" " .. line):gmatch("[ %[](%-%-?%l[%l%-]*)") do
		seen = seen + 1
		-- The help is asked for behind it: a flag shows it, an option with a value misses that.
		local r = tollgate(name, option, "--help")
		if r.code ~= 0 then expect(r.err):has(option .. " needs a value") end
	end
end
expect(seen > 80):is(true)

test "what cannot be meant is refused with the word that is wrong, and nothing is done"
gw:key { name = "ana", user = "ana" }
gw:key { name = "ben", user = "ana" }
for _, wrong in ipairs {
	{ { "key", "revoke", "ana", "ben" }, 'tollgate: "ben" is a word too many (try tollgate key --help)\n' },
	{ { "key", "revoke", "ana", "--user", "ana" }, "key revoke KEY, or all of --user U, not both" },
	{ { "key", "list", "--name", "ana" }, "key list takes no --name (try tollgate key --help)" },
	{ { "key", "lst" }, 'key has no "lst" (did you mean "list"?)' },
	{ { "key" }, "key needs to be told what:\n  tollgate key create --name N" },
	{ { "key", "show" }, "something is missing:\n  tollgate key show|disable|enable|revoke KEY [--json]\n" },
	{ { "key", "create", "--name", "a", "--name=b" }, "--name is given twice" },
	{ { "key", "create", "--admin=yes" }, "key takes no option --admin=yes" },
	{ { "key", "create", "--nmae", "x" }, "key takes no option --nmae (did you mean --name?)" },
	{ { "check", "policies/" }, '"policies/" is a word too many' },
	{ { "doctor", "--csv" }, "doctor takes no option --csv" },
	{ { "run", "now" }, '"now" is a word too many' },
	{ { "policy", "diff", "old" }, "tollgate policy diff OLD NEW" },
	{ { "policy", "test", "--since", "7d" }, "policy test takes no --since" },
	{ { "connect", "emacs" }, 'connect has no "emacs":\n  tollgate connect claude-code ' },
	{ { "connect", "codex", "--managed" }, "connect codex takes no --managed" },
	{ { "connect", "claude-code", "--scope", "galaxy" }, "--scope takes project" },
	{ { "servers", "notes" }, '"notes" is a word too many' },
	{ { "script", "run", "x.lua" }, "script run needs --key NAME" },
	{ { "budget", "grant", "payments", "5" }, "budget grant needs --until 7d and --reason TEXT" },
	{ { "backup" }, "tollgate backup FILE" },
	{ { "audit", "query", "--verdict", "budget_exhaused" }, '(did you mean "budget_exhausted"?)' },
	{ { "audit", "export", "--json" }, "audit export takes no --json" },
} do
	local r = gw:cli(wrong[1])
	expect(r.code):is(2)
	expect(r.out):is("")
	expect(r.err):has(wrong[2])
end
expect(gw:ok({ "key", "show", "ana" }).out):has("active")
expect(tollgate("-c", "x.yaml", "check").err):has("the command comes first, its options behind it")
expect(tollgate("chekc").err):has('unknown command "chekc" (did you mean "check"?)')
expect(tollgate("help").out):is(tollgate("--help").out)

test "a script that is no file, or too long a one, is named"
gw:key { name = "ana", user = "ana" }
sys.write_file(gw.folder .. "/long.lua", string.rep("-- long\n", 140000))
for file, why in pairs {
	["nowhere.lua"] = "nowhere.lua cannot be read: No such file or directory",
	["."] = ". cannot be read: Is a directory",
	["long.lua"] = "long.lua is over 1 MiB, no script",
} do
	local r = gw:cli { "script", "run", file, "--key", "ana" }
	expect(r.code):is(1)
	expect(r.err):is("tollgate: " .. why .. "\n")
end

test "an option and its value may be one word"
expect(gw:ok({ "key", "create", "--name=cy", "--user=ana", "--budget=5 USD/day" }).out):has("tg-")
expect(gw:ok({ "key", "show", "cy" }).out):has("ana")

test "the audit's end is lines for people, and with --json the rows as they are hashed"
gw:key { name = "cy", user = "ana" }
expect(gw:ok({ "audit", "tail", "-n", "1" }).out):matches("^%d%d%d%d%-%d%d%-%d%dT[%d:]+Z p_%w+ admin key.create ok cy\n$")
expect(gw:ok({ "audit", "tail", "-n", "1", "--json" }).json.target_name):is("cy")
expect(gw:ok({ "key", "list" }).out):matches("@admin +active +admin token\n")

test "--json is JSON, one value in a line, wherever a help names it"
-- limit: 60 s
sys.write_file(gw.folder .. "/s.lua", "return 1")
gw:key { name = "ana", user = "ana" }
gw:key { name = "gone", user = "ana" }
local row = gw:audit()[1].id
local typed = {
	["policy lint"] = {}, ["policy explain"] = { "--call", "code:run", "--user", "ana" },
	["policy diff"] = { "policies", "policies" }, ["policy replay"] = { "policies" },
	["key create"] = { "--name", "made" }, ["key budget"] = { "ana", "1 USD/day" },
	["key show"] = { "ana" }, ["key rotate"] = { "ana" }, ["key revoke"] = { "gone" },
	["budget grant"] = { "ana", "5", "--until", "7d", "--reason", "test" },
	["script run"] = { "s.lua", "--key", "ana" },
	["audit show"] = { row }, ["quota"] = { "--key", "ana" }, ["approve"] = { "--list" },
}
-- What these answer is another scenario's: a sign-in, a journal, a webhook, a folder of another program.
local elsewhere = { ["servers sign-in"] = true, ["script replay"] = true, ["script save"] = true, ["webhook test"] = true,
	["budget revoke"] = true, import = true }
local asked = 0
for _, form in ipairs(forms()) do
	local sub = form[2]:match("^%l[%l%-]*") or ""
	local name = (form[1] .. " " .. sub):gsub(" $", "")
	if form[2]:find("--json", 1, true) and not elsewhere[name] then
		local argv = { form[1] }
		if sub ~= "" then argv[2] = sub end
		for _, word in ipairs(typed[name] or {}) do argv[#argv + 1] = word end
		if name == "key create" then argv[4] = "made" .. asked end
		argv[#argv + 1] = "--json"
		local r = gw:cli(argv)
		asked = asked + 1
		if r.err ~= "" or not r.json then rig.fail(name .. " --json: " .. r.out .. r.err) end
		for line in r.out:gmatch("[^\n]+") do
			if not json.try(line) and not json.try(r.out) then rig.fail(name .. " --json: no JSON: " .. line) end
		end
	end
end
expect(asked > 20):is(true)
