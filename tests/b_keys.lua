-- SPDX-License-Identifier: Apache-2.0
-- Keys from the cradle to the grave: the first start, rotation, expiry, whole users, many at once.

local function mode(path)
	local p = process({ "/usr/bin/stat", "-c", "%a", path }, {})
	p:wait()
	return p.out:match("%d+")
end

local function quota(gw, secret) return gw:client(secret):get("/v1/quota").status end

test "the first start writes its key and its admin token to DATA/first-run, for us alone, and logs neither"
local gw = gateway {}
local text = read_file(gw.data .. "/first-run")
local key = text:match("Bearer (tg%-%w+)")
local token = text:match("admin/api/keys %-H \"Authorization: Bearer (tg%-%w+)\"")
expect(mode(gw.data .. "/first-run")):is("600")
expect(gw.process.err .. gw.process.out):lacks(key)
expect(gw.process.err .. gw.process.out):lacks(token)
expect(key ~= token):is(true)
-- Nobody else's request touches the file; the first use of the key removes it.
expect(quota(gw, gw:key { name = "dev", user = "ana" }.key)):is(200)
expect(read_file(gw.data .. "/first-run")):is(text)
expect(quota(gw, key)):is(200)
expect(read_file(gw.data .. "/first-run")):is(nil)
gw:restart()
expect(read_file(gw.data .. "/first-run")):is(nil)
expect(quota(gw, key)):is(200)

test "DATA/first-run outlives a restart, and goes when the admin token is used"
local gw = gateway {}
local token = read_file(gw.data .. "/first-run"):match("admin/api/keys %-H \"Authorization: Bearer (tg%-%w+)\"")
gw:restart()
expect(read_file(gw.data .. "/first-run")):has(token)
expect(gw:client(token):get("/admin/api/keys").status):is(200)
expect(read_file(gw.data .. "/first-run")):is(nil)

test "the admin API over TCP takes an admin token and nothing else, and names it in the audit"
local gw = gateway {}
local token = gw:ok { "key", "create", "--admin", "--name", "ops", "--json" }.json
local dev = gw:key { name = "dev", user = "ana" }
expect(gw:client():get("/admin/api/keys").status):is(401)
expect(gw:client("tg-" .. string.rep("A", 40)):get("/admin/api/keys").status):is(401)
expect(gw:client(dev):get("/admin/api/keys").status):is(403)
local made = gw:client(token):post("/admin/api/keys", '{"name":"web","user":"ana"}')
expect(made.status):is(200)
expect(quota(gw, made.json.key)):is(200)
expect(gw:audit()):has { name = "key.create", target_name = "web", actor = token.id }
-- It is no virtual key: no model, no tool, no script.
expect(quota(gw, token.key)):is(401)
expect(gw:client(token):post("/mcp", "{}").status):is(401)
-- Revoked, it opens nothing.
gw:ok { "key", "revoke", "@ops" }
expect(gw:client(token):get("/admin/api/keys").status):is(401)

test "where admin is not served, the admin API is not there"
local gw = gateway { yaml = 'listen:\n  - { address: "127.0.0.1:0", serves: [model, mcp] }\n' }
local token = gw:ok { "key", "create", "--admin", "--name", "ops", "--json" }.json
expect(gw:client(token):get("/admin/api/keys").status):is(404)

test "a rotated key works until its overlap is over, its successor at once and after a restart"
local gw = gateway { clock = true }
local old = gw:key { name = "dev", user = "ana" }
local new = gw:ok { "key", "rotate", "dev", "--overlap", "2h", "--json" }.json
expect(new.name):is("dev")
expect(new.id ~= old.id):is(true)
expect(quota(gw, old.key)):is(200)
expect(quota(gw, new.key)):is(200)
gw:restart()
expect(gw:ok({ "key", "show", "dev", "--json" }).json.id):is(new.id)
expect(quota(gw, old.key)):is(200)
gw:advance("2h")
expect(quota(gw, old.key)):is(401)
expect(quota(gw, new.key)):is(200)
local again = gw:cli { "key", "rotate", old.id }
expect(again.code):is(1)
expect(again.err):has("expired")

test "rotating without an overlap ends the old secret now"
local gw = gateway {}
local old = gw:key { name = "dev", user = "ana" }
local new = gw:ok { "key", "rotate", "dev", "--overlap", "0m", "--json" }.json
expect(quota(gw, old.key)):is(401)
expect(quota(gw, new.key)):is(200)

test "revoking or disabling by name ends what a rotation has left beside it, and so does one without an overlap"
for _, ending in ipairs {
	{ { "key", "revoke", "dev" }, "revoked", 401 },
	{ { "key", "disable", "dev" }, "disabled", 401 },
	{ { "key", "rotate", "dev", "--overlap", "0m" }, "revoked", 200 },
} do
	local gw = gateway {}
	local first = gw:key { name = "dev", user = "ana" }
	local other = gw:key { name = "dev2", user = "ana" }
	local second = gw:ok { "key", "rotate", "dev", "--overlap", "2h", "--json" }.json
	local told = gw:ok(ending[1])
	expect(quota(gw, first.key)):is(401)
	expect(quota(gw, second.key)):is(401)
	expect(quota(gw, other.key)):is(200)
	expect(gw:ok({ "key", "show", first.id, "--json" }).json.state):is(ending[2])
	if ending[1][2] ~= "rotate" then
		expect(told.out):has(first.id)
		expect(told.out):has(second.id)
	end
	expect(gw:audit()):has { name = ending[2] == "revoked" and "key.revoke" or "key.disable", target = first.id }
end
-- By id it is that one alone, and nothing that was ended comes back by its name.
local gw = gateway {}
local first = gw:key { name = "dev", user = "ana" }
local second = gw:ok { "key", "rotate", "dev", "--json" }.json
gw:ok { "key", "disable", first.id }
expect(quota(gw, first.key)):is(401)
expect(quota(gw, second.key)):is(200)
gw:ok { "key", "disable", "dev" }
expect(gw:ok({ "key", "enable", "dev", "--json" }).json.id):is(second.id)
expect(quota(gw, first.key)):is(401)
expect(quota(gw, second.key)):is(200)
expect(#gw:ok({ "key", "revoke", "dev", "--json" }).json.also):is(1)

test "a key with an end date ends"
local gw = gateway { clock = true }
local key = gw:key { name = "dev", user = "ana", expires = "2026-08-21" }
expect(quota(gw, key)):is(200)
gw:advance("14h")
expect(quota(gw, key)):is(401)
expect(gw:cli({ "key", "create", "--name", "late", "--expires", "soon" }).code):is(2)
expect(gw:cli({ "key", "create", "--name", "late", "--expires", "2020-01-01" }).err):has("expired already")

test "all keys of one user are revoked at once"
local gw = gateway {}
local one = gw:key { name = "one", user = "ana" }
local two = gw:key { name = "two", user = "ana" }
local other = gw:key { name = "other", team = "payments" }
gw:ok { "key", "revoke", "--user", "ana" }
expect(quota(gw, one)):is(401)
expect(quota(gw, two)):is(401)
expect(quota(gw, other)):is(200)
local r = gw:cli { "key", "revoke", "--user", "nobody" }
expect(r.code):is(1)
expect(r.err):has("nobody")

test "a CSV makes one file per key, and tells which line did not work"
local gw = gateway {}
local csv, out = gw.folder .. "/users.csv", gw.folder .. "/made"
sys.write_file(csv, "name,user,expires\nana-1,ana,90d\nana 2,ana,\nana-3,nobody,\nana-4, ana ,2030-01-01\n")
local r = gw:cli { "key", "create", "--from", csv, "--out", out }
expect(r.code):is(1)
expect(r.out):has("2 keys made, 2 failed")
expect(r.err):has("users.csv:3:")
expect(r.err):has("users.csv:4:")
expect(r.out .. r.err):lacks("tg-")
local secret = read_file(out .. "/ana-1.key")
expect(mode(out .. "/ana-1.key")):is("600")
expect(quota(gw, secret:match("tg%-%w+"))):is(200)
expect(read_file(out .. "/ana-3.key")):is(nil)
-- A second time nothing is overwritten.
expect(gw:cli({ "key", "create", "--from", csv, "--out", out }).code):is(1)
expect(read_file(out .. "/ana-1.key")):is(secret)
expect(gw:cli({ "key", "create", "--from", csv }).code):is(2)

test "without a gateway every key command works on the same store and chain"
local gw = gateway {}
gw:stop()
local key = gw:key { name = "dev", user = "ana" }
local token = gw:ok { "key", "create", "--admin", "--name", "ops", "--json" }.json
gw:ok { "key", "disable", "dev" }
gw:ok { "key", "enable", "dev" }
local new = gw:ok { "key", "rotate", "dev", "--json" }.json
expect(gw:ok({ "key", "show", "dev" }).out):has(new.id)
expect(gw:ok({ "key", "list" }).out):has(key.id)
expect(gw:ok({ "quota", "--key", "dev", "--json" }).json.key):is(new.id)
gw:key { name = "gone", user = "ana" }
gw:ok { "key", "revoke", "gone" }
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")
local needs = gw:cli { "tools" }
expect(needs.code):is(1)
expect(needs.err):has("tollgate run")
gw:start()
expect(quota(gw, key)):is(200)
expect(quota(gw, new)):is(200)
expect(gw:client(token):get("/admin/api/keys").status):is(200)
gw:stop()
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")

test "an unknown command, a mistyped option and another command's option are told, with exit 2"
local gw = gateway { start = false }
local function refused(argv, words)
	local r = gw:cli(argv)
	expect(r.code):is(2)
	expect(r.err):has(words)
end
refused({ "kye", "list" }, "did you mean \"key\"")
refused({ "key", "create", "--nmae", "x" }, "did you mean --name")
refused({ "usage", "--overlap", "1h" }, "usage takes no option --overlap")
refused({ "key", "create", "--name" }, "--name needs a value")
refused({ "key", "crate" }, "did you mean \"create\"?")
for _, command in ipairs { "run", "check", "key", "tools", "servers", "connect", "script", "usage", "quota", "audit" } do
	expect(gw:ok({ command, "--help" }).out):has("example:\n  tollgate " .. command)
end

test "the state of every tool server is shown"
local srv = mcp_server { tools = { "get_issue" } }
local gw = gateway { servers = { github = srv } }
local row = gw:ok({ "servers", "--json" }).json[1]
expect(row.name):is("github")
expect(row.state):is("ready")
expect(row.tools):is(1)
expect(gw:ok({ "servers" }).out):has("github")

test "a key's scope narrows it below its owner, in lists and calls, and outlives a restart and a rotation"
local srv = mcp_server { tools = { "get_issue", "delete_repo" } }
local gw = gateway { servers = { github = srv }, policies = { ["root/rig.yaml"] = [[
version: 1
organisation: { customers: { acme: { teams: { payments: { users: { ana: {} } } } } } }
policy: pay
applies_to: "*"
rules:
  - allow: github/*
]] } }
local wide = gw:key { name = "wide", user = "ana" }
gw:wait_tools(wide, 2)
local made = gw:ok({ "key", "create", "--name", "narrow", "--user", "ana", "--scope", "github/get_*  model:none", "--tags", "ci night", "--json" }).json
local function names(secret) return table.concat(gw:mcp({ key = secret }):tools(), " ") end
expect(names(made.key)):is("github__get_issue")
expect(gw:ok({ "key", "show", "narrow", "--json" }).json):has { scope = { "github/get_*", "model:none" }, tags = { "ci", "night" } }
expect(gw:ok({ "tools", "--key", "narrow" }).out):has("outside the key's own scope")
gw:restart()
gw:wait_tools(wide, 2)
expect(names(made.key)):is("github__get_issue")
local again = gw:ok({ "key", "rotate", "narrow", "--json" }).json
expect(names(again.key)):is("github__get_issue")
expect(gw:mcp({ key = again.key }):call("github__delete_repo", {}).error.message):has("nknown tool")
local bad = gw:cli { "key", "create", "--name", "x", "--user", "ana", "--scope", "github/[a]" }
expect(bad.code):is(1)
expect(bad.err):has("has no meaning in a pattern")
bad = gw:cli { "key", "create", "--name", "x", "--user", "ana", "--tags", "a,b" }
expect(bad.code):is(1)
expect(bad.err):has("is no tag")

test "an admin: grant opens one operation of the admin API to a virtual key, and never an admin token"
local gw = gateway { policies = { ["root/rig.yaml"] = [[
version: 1
organisation: { customers: { acme: { teams: { ops: { users: { ana: { groups: [desk] }, ben: {} } } } } } }
policy: desk
applies_to: { groups: [desk] }
rules:
  - allow: "admin:key.{create,list,rotate,state}"
]] } }
local ana, ben = gw:key { name = "desk", user = "ana" }, gw:key { name = "plain", user = "ben" }
gw:ok { "key", "create", "--admin", "--name", "ops", "--json" }
local made = gw:client(ana):post("/admin/api/keys", '{"name":"new","user":"ben"}')
expect(made.status):is(200)
expect(gw:client(made.json.key):get("/me").status):is(200)
expect(gw:audit()):has { kind = "admin", name = "key.create", key = ana.id, verdict = "ok" }
expect(gw:audit()):has { name = "key.create", target_name = "new", actor = ana.id }
-- What is not granted is refused and audited, and nobody else has it.
expect(gw:client(ana):post("/admin/api/reload", "{}").status):is(403)
expect(gw:audit()):has { kind = "admin", name = "policies.reload", key = ana.id, verdict = "not_permitted" }
expect(gw:client(ben):get("/admin/api/keys").status):is(403)
-- Admin tokens are another name, so that keys for people open no way to them.
expect(gw:client(ana):post("/admin/api/keys", '{"name":"root","admin":true}').status):is(403)
expect(gw:client(ana):post("/admin/api/keys/rotate", '{"key":"@ops","overlap_s":0}').status):is(403)
expect(gw:client(ana):post("/admin/api/keys/state", '{"key":"@ops","state":"revoked"}').status):is(403)
expect(gw:client(ana):post("/admin/api/keys/rotate", '{"key":"@ops","key":"new","overlap_s":0}').status):is(400)

test "whoever may run a script as any key is named by the run's row"
local gw = gateway { policies = { ["root/rig.yaml"] = [[
version: 1
organisation: { customers: { acme: { teams: { ops: { users: { ana: {}, ben: {} } } } } } }
policy: desk
applies_to: { users: [ana] }
rules:
  - allow: admin:script.run
]], ["root/code.yaml"] = "version: 1\npolicy: code\napplies_to: { users: [ben] }\nrules:\n  - allow: code:run\n" } }
local ana, ben = gw:key { name = "desk", user = "ana" }, gw:key { name = "plain", user = "ben" }
expect(gw:client(ana):post("/admin/api/script", '{"key":"plain","code":"return 1"}').status):is(200)
expect(gw:audit()):has { kind = "run", key = ben.id, client = ana.id }

test "a team's folder cannot grant what is about the whole gateway"
local gw = gateway { start = false, policies = { ["root/rig.yaml"] =
	"version: 1\norganisation: { customers: { acme: { teams: { ops: {} } } } }\n",
	["customers/acme/teams/ops/p.yaml"] =
	"version: 1\npolicy: p\napplies_to: { teams: [ops] }\nrules:\n  - allow: admin:key.create\n" } }
local r = gw:cli { "check" }
expect(r.code):is(1)
expect(r.out .. r.err):has("p.yaml:5:12: admin: rules stand in root/ only")
