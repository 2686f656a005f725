-- SPDX-License-Identifier: Apache-2.0
-- Policy files at work: who sees which tool, who may use which model, and what a mistake says.

local ORGANISATION = [[
version: 1
organisation:
  contact: "#platform"
  customers:
    acme:
      teams:
        payments:
          users:
            ana: { groups: [developer] }
            ben: {}
        core:
          models: [fast]
          users:
            cat: {}
]]
local GUARD = [[
version: 1
policy: guard
owner: "#sre"
applies_to: "*"
rules:
  - deny: any/delete_*
    reason: "Deletes go through sre"
]]
local PAYMENTS = [[
version: 1
policy: payments
applies_to: { teams: [payments], groups: [developer] }
rules:
  - allow: github/*
  - allow: "model:{fast,small,claude-sonnet-4-6}"
]]
local ARGUMENTS = [[
version: 1
policy: files
owner: "#files"
applies_to: { teams: [payments] }
rules:
  - allow: code:run
  - allow: fs/read_file
    when: { path: { under: /repo } }
  - deny: fs/*
    when: { path: { under: /repo/secret } }
    unless: { subject: { groups: [developer] } }
    reason: "Secrets are for developers"
]]
local function files(more)
	local all = {
		["root/organisation.yaml"] = ORGANISATION,
		["root/guard.yaml"] = GUARD,
		["customers/acme/teams/payments/policy.yaml"] = PAYMENTS,
	}
	for path, text in pairs(more or {}) do all[path] = text end
	return all
end
local function user(gw, name) return gw:key { name = name, user = name } end

test "a key sees and calls what its policies grant; a deny from above wins; the rest does not exist"
local srv = mcp_server "github" { tools = { "get_issue", "delete_repo" } }
local gw = gateway { servers = { github = srv }, policies = files() }
local ana, ben = user(gw, "ana"), user(gw, "ben")
expect(gw:wait_tools(ana, 1)):same { "github__get_issue" }
expect(gw:mcp(ben):tools()):same {}
expect(gw:mcp(ana):call("github__delete_repo").error.code):is(-32602)
expect(gw:mcp(ana):call("github__no_such_tool").error.code):is(-32602)
expect(gw:mcp(ben):call("github__get_issue").error.code):is(-32602)
local why = gw:ok { "tools", "--key", "ana" }.out
expect(why):has("allowed by payments:5")
expect(why):has("denied by guard:6: Deletes go through sre (ask #sre)")
expect(gw:ok { "tools", "--key", "ben" }.out):has("no rule allows it (ask #platform)")

test "a model is allowed under both its names, or through a team's list of models"
local up = provider {}
local gw = gateway {
	providers = { anthropic = up }, servers = { github = mcp_server "github" { tools = {} } },
	policies = files(),
	yaml = [[
models:
  claude-sonnet-4-6: { provider: anthropic }
  claude-opus-5-5: { provider: anthropic }
aliases: { fast: claude-sonnet-4-6, small: claude-opus-5-5 }
]],
}
local ana, cat = user(gw, "ana"), user(gw, "cat")
local function status(key, model)
	return gw:client(key):post("/anthropic/v1/messages",
		'{"model":"' .. model .. '","max_tokens":9,"messages":[]}').status
end
expect(status(ana, "claude-sonnet-4-6")):is(200)
expect(status(ana, "fast")):is(200)
expect(status(ana, "small")):is(403)
expect(status(cat, "fast")):is(200)
expect(status(cat, "claude-opus-5-5")):is(403)

test "check tells every mistake with its place, and nothing starts"
local gw = gateway { start = false, policies = files { ["root/bad.yaml"] = [[
version: 1
policy: bad
applies_to: { teams: [paiments] }
rules:
  - allow: any/x
    limit: { memory: 32MiB }
    log: all
  - allow: any/z
    when: { path: { undr: /repo } }
  - deny: any/y
]] } }
local r = gw:cli { "check" }
expect(r.code):is(1)
local all = r.out .. r.err
expect(all):has('bad.yaml:3:23: team "paiments" is not in the policy files (did you mean "payments"?)')
expect(all):has("bad.yaml:6:14: 'memory' without a time bounds one script: it stands in a rule for code:run")
expect(all):has("bad.yaml:7:5: 'log' is not supported yet (remove it)")
expect(all):has('bad.yaml:9:21: unknown operator "undr" (did you mean "under"?)')
expect(all):has("bad.yaml:10:5: a deny needs a reason")
expect(gw:cli({ "run" }).code):is(1)

test "arguments decide: the tool is listed, a call outside is refused with what to change, and never sent"
local srv = mcp_server "fs" { tools = { "read_file", "write_file" } }
local gw = gateway { servers = { fs = srv }, policies = {
	["root/organisation.yaml"] = ORGANISATION:gsub("models: %[fast%]", "contact: core"), ["root/files.yaml"] = ARGUMENTS } }
local ana, ben = user(gw, "ana"), user(gw, "ben")
expect(gw:wait_tools(ana, 3)):same { "fs__read_file", "lua", "tools" }
expect(gw:mcp(ana):call("fs__read_file", { path = "/repo/a.c" }).isError):is(nil)
expect(#srv.calls):is(1)
for _, path in ipairs { "/etc/passwd", "/repo/../etc/passwd", "/repo/%2e%2e/etc", "/repository/x", "repo/a", "/repo/\0x" } do
	local r = gw:mcp(ana):call("fs__read_file", { path = path })
	expect(r.isError):is(true)
	expect(r.content[1].text):has("path must be under /repo")
	expect(r.content[1].text):has("policy files:7")
end
expect(gw:mcp(ana):call("fs__read_file", {}).isError):is(true)
expect(gw:mcp(ana):call("fs__read_file", { path = "/repo/secret/k" }).isError):is(nil)
expect(gw:mcp(ben):call("fs__read_file", { path = "/repo/secret/k" }).content[1].text)
	:has("denied by files:9: Secrets are for developers")
expect(gw:mcp(ana):call("fs__write_file", { path = "/repo/a" }).error.code):is(-32602)
expect(#srv.calls):is(2)
local definition = gw:mcp(ana):definitions()[1]
expect(definition.description):has("Policy: path must be under /repo")
expect(definition.inputSchema.properties.path.pattern):is("^(?:/repo)(?:/.*)?$")
expect(gw:mcp(ben):definitions()[1].description):has("refused when path is under /repo/secret")
expect(gw:ok { "tools", "--key", "ana" }.out):has("allowed by files:7 when path is under /repo")
local rows = gw:audit()
expect(rows[#rows].verdict):is("not_permitted")

test "a script's call is refused by the same words, and the others of it go on"
local srv = mcp_server "fs" { tools = { "read_file" } }
local gw = gateway { servers = { fs = srv }, policies = {
	["root/organisation.yaml"] = ORGANISATION:gsub("models: %[fast%]", "contact: core"), ["root/files.yaml"] = ARGUMENTS } }
local ana = user(gw, "ana")
gw:wait_tools(ana, 3)
local direct = gw:mcp(ana):call("fs__read_file", { path = "/etc/passwd" }).content[1].text
local r = gw:mcp(ana):call("lua", { code = [[
local ok, why = pcall(fs.read_file, { path = "/etc/passwd" })
fs.read_file { path = "/repo/a" }
return tostring(ok) .. " " .. tostring(why)
]] })
expect(r.content[1].text):has("false")
expect(r.content[1].text):has("path must be under /repo")
expect(direct):has("path must be under /repo")
expect(#srv.calls):is(1)

test "a policy that observes lets pass, and the audit says what it would have done"
local srv = mcp_server "github" { tools = { "get_issue" } }
local gw = gateway { servers = { github = srv }, policies = files { ["root/soon.yaml"] = [[
version: 1
policy: soon
applies_to: "*"
mode: observe
rules:
  - deny: github/get_*
    when: { repo: { in: [secret] } }
    reason: "From Monday on"
]] } }
local ana = user(gw, "ana")
gw:wait_tools(ana, 1)
expect(gw:mcp(ana):call("github__get_issue", { repo = "secret" }).isError):is(nil)
expect(gw:mcp(ana):call("github__get_issue", { repo = "open" }).isError):is(nil)
local would = {}
for _, row in ipairs(gw:audit()) do would[#would + 1] = row.would end
expect(#would):is(1)
expect(would[1]):has("denied by soon:6: From Monday on")
expect(gw:client():get("/metrics").body):has("tollgate_policy_would_deny_total 1")

test "the policy command runs the tests of a bundle, and says why a call is answered as it is"
local gw = gateway { start = false, servers = { fs = mcp_server "fs" { tools = { "read_file" } } }, policies = {
	["root/organisation.yaml"] = ORGANISATION:gsub("models: %[fast%]", "contact: core"), ["root/files.yaml"] = ARGUMENTS,
	["root/files_test.yaml"] = [[
suite: files
given: { as: { team: payments, user: ana, groups: [developer] } }
cases:
  - call: [fs/read_file, { path: /repo/a.c }]
    expect: allow
    because: files:7
  - call: [fs/read_file, { path: /repo/../etc }]
    expect: deny
    because: files
  - call: ["code:run"]
    expect: allow
  - list: { contains: [fs/read_file], lacks: [fs/write_file] }
]] } }
local r = gw:ok { "policy", "test", "--cover", "--junit", gw.folder .. "/junit.xml" }
expect(r.out):has("ok 5 - ")
expect(r.out):has("1..5")
expect(r.out):has("# cover: 2 of 3 rules decided a case\n#   root/files.yaml:9: deny when path is under /repo/secret")
local junit = read_file(gw.folder .. "/junit.xml")
expect(junit):has('<testsuites name="tollgate policy test" tests="5" failures="0">')
expect(junit):has('name="4: fs/read_file"/>')
expect(gw:ok({ "policy", "lint" }).out):has("ok")
r = gw:cli { "policy", "explain", "--user", "ben", "--call", 'fs/read_file {"path":"/repo/secret/../x"}' }
expect(r.code):is(1)
expect(r.out):has("DENY  fs/read_file")
expect(r.out):has("deny  files:9 fs/* when path is under /repo/secret")
expect(r.out):has('-> cannot be judged (path="/repo/secret/../x"; it has a . or .. segment)')
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", 'fs/read_file {"path":"/repo/secret/k"}' }).out):has("allowed by files:7")
sys.write_file(gw.folder .. "/policies/root/more_test.yaml", [[
given: { as: { user: ana } }
cases:
  - call: [fs/read_file, { path: /etc }]
    expect: allow
  - repeat: [fs/read_file, { path: /repo/a }]
    times: 3
    expect_last: deny
]])
r = gw:cli { "policy", "test", "--junit", gw.folder .. "/junit.xml" }
expect(r.code):is(1)
junit = read_file(gw.folder .. "/junit.xml")
expect(junit):has('tests="7" failures="2"')
expect(junit):has('the last of 3 is allowed')
expect(r.out):has("not ok 6 - ")
expect(r.out):has("path must be under /repo · policy files:7")
expect(r.out):has('the last of 3 is allowed')
r = gw:cli { "policy", "test", "--junit", gw.folder .. "/nowhere/junit.xml" }
expect(r.err):has("nowhere/junit.xml (ENOENT)")
sys.write_file(gw.folder .. "/policies/root/files.yaml", "version: 1\npolicy: [")
r = gw:cli { "policy", "test", "--junit", gw.folder .. "/junit.xml" }
expect(r.code):is(1)
expect(read_file(gw.folder .. "/junit.xml")):has('tests="1" failures="1"')

test "a provider whose key is not set keeps nobody from asking the policies"
local gw = gateway { servers = { fs = mcp_server "fs" { tools = { "read" } } }, policies = rules('allow: "fs/*"'), yaml =
	'providers:\n  far: { kind: anthropic, url: "https://far.invalid", key: env:RIG_NEVER_SET }\n' }
for _, word in ipairs { "test", "lint" } do expect(gw:cli({ "policy", word }).code):is(0) end
expect(gw:ok({ "policy", "explain", "--user", "ana", "--call", "fs/read {}" }).out):has("allowed")
