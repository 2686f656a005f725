-- SPDX-License-Identifier: Apache-2.0
-- Before policies are changed: what a change changes for whom, and what it would have changed.

local OLD = [[
version: 1
organisation:
  contact: "@acme/platform"
  customers:
    acme:
      teams:
        payments:
          contact: "@acme/payments"
          users:
            ana: {}
            ben: {}
policy: tools
applies_to: { teams: [payments] }
rules:
  - allow: "github/{get_*,list_*}"
  - allow: fs/read_file
    when: { path: { under: /repo } }
]]
local NEW = OLD:gsub("%- allow: \"github/{get_%*,list_%*}\"", "- allow: \"github/list_*\"\n  - allow: github/close_issue")
	:gsub("under: /repo", "under: /srv")

local function bundle(gw, name, text)
	local dir = gw.folder .. "/" .. name
	sys.mkdir(dir)
	sys.mkdir(dir .. "/root")
	sys.write_file(dir .. "/root/rig.yaml", text)
	return dir
end

test "diff tells who may do what from now on, in groups, and can stop a pull request"
local gw = gateway { start = false, servers = { github = mcp_server "github" { tools = { "get_issue" } } },
	policies = { ["root/rig.yaml"] = OLD } }
local old, new = bundle(gw, "old", OLD), bundle(gw, "new", NEW)
local r = gw:ok { "policy", "diff", old, new }
expect(r.out):has("acme/payments, acme/payments/ana, acme/payments/ben\n")
expect(r.out):has("+ github/close_issue: refused -> allow\n")
expect(r.out):has("- github/get_*: allow -> refused\n")
expect(r.out):has("~ fs/read_file: allow when path is under /repo -> allow when path is under /srv\n")
expect(r.out):has("1 widened, 1 narrowed, 1 changed")
expect(gw:cli({ "policy", "diff", old, new, "--fail-on", "widen" }).code):is(1)
expect(gw:ok({ "policy", "diff", old, old, "--fail-on", "widen" }).out):has("0 widened, 0 narrowed, 0 changed")
expect(gw:ok({ "policy", "diff", old, new, "--markdown" }).out):has("| widened | github/close\\_issue | refused | allow |")
local json = gw:ok({ "policy", "diff", old, new, "--json" }).json
expect(json.widened):is(1)
expect(json.groups[1].who[2].id):is("acme/payments/ana")
expect(gw:cli({ "policy", "diff", old }).code):is(2)
expect(gw:cli({ "policy", "diff", old, gw.folder .. "/nowhere" }).err):has("nowhere")

test "replay tells which calls of the audit would have been answered otherwise, and what it cannot know"
local srv = mcp_server "github" { tools = { "get_issue", "list_issues", "close_issue" } }
local fs = mcp_server "fs" { tools = { "read_file" } }
local gw = gateway { servers = { github = srv, fs = fs }, policies = { ["root/rig.yaml"] = OLD } }
local ana, ben = gw:key { name = "ana", user = "ana" }, gw:key { name = "ben", user = "ben" }
gw:wait_tools(ana, 3)
for _, key in ipairs { ana, ben } do
	expect(gw:mcp(key):call("github__get_issue").isError):is(nil)
	expect(gw:mcp(key):call("github__list_issues").isError):is(nil)
end
expect(gw:mcp(ana):call("github__get_issue").isError):is(nil)
expect(gw:mcp(ana):call("fs__read_file", { path = "/repo/a" }).isError):is(nil)
expect(gw:mcp(ana):call("fs__read_file", { path = "/etc/a" }).isError):is(true)
local new = bundle(gw, "new", NEW)
local r = gw:ok { "policy", "replay", new, "--since", "1h" }
expect(r.out):has("3 calls by 2 users newly denied, 0 newly allowed, 2 depend on arguments")
expect(r.out):has("2 unchanged; of 7")
expect(r.out):has("2  acme/payments/ana  github/get_issue: no rule allows it")
-- The same files decide the same, arguments or not: the row's revision is theirs.
r = gw:ok { "policy", "replay", gw.folder .. "/policies" }
expect(r.out):has("0 calls by 0 users newly denied, 0 newly allowed, 0 depend on arguments (which the audit has not), 7 unchanged")
gw:stop()
local json = gw:ok({ "policy", "replay", new, "--json" }).json
expect(json.denied.calls):is(3)
expect(json.denied.users):is(2)
expect(json.depends_on_arguments.calls):is(2)
expect(gw:cli({ "policy", "replay", new, "--since", "yesterday" }).code):is(2)

test "lint finds what loads and cannot have been meant, and says whose folder is whose"
local gw = gateway { start = false, servers = { github = mcp_server "github" { tools = {} }, fs = mcp_server "fs" { tools = {} } },
	policies = { ["root/rig.yaml"] = OLD .. "  - allow: github/get_*\n    when: { n: { min: 3, max: 1 } }\n" } }
local r = gw:cli { "policy", "lint" }
expect(r.code):is(1)
expect(r.err):has("root/rig.yaml:18: error: its when: can never hold: n: min is more than max")
expect(gw:cli({ "policy", "lint", "--json" }).out):has('"file":"root/rig.yaml","line":18,"level":"error"')
expect(gw:ok({ "policy", "lint", "--codeowners" }).out):has("/root/  @acme/platform\n")

test "explain asks the gateway whose key it is, and shows scope and limits"
local gw = gateway { servers = { github = mcp_server "github" { tools = {} }, fs = mcp_server "fs" { tools = {} } },
	policies = { ["root/rig.yaml"] = OLD } }
gw:ok { "key", "create", "--name", "narrow", "--user", "ana", "--scope", "github/get_*" }
local r = gw:cli { "policy", "explain", "--key", "narrow", "--call", "github/list_issues {}" }
expect(r.code):is(1)
expect(r.out):has("acme > payments > ana  key narrow")
expect(r.out):has("scope of the key -> outside")
expect(r.out):has("nearest fix: a key whose scope covers github/list_issues")
expect(gw:ok({ "policy", "explain", "--key", "narrow", "--call", "github/get_issue {}", "--json" }).json.decision):is("allow")
