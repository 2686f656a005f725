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

local PEOPLE = OLD:gsub("ana: {}", "ana: { groups: [sre, dev] }"):gsub("ben: {}", "ben: { groups: [dev] }")
local made = 0
-- What the diff says of a change of the files: its lines without who they are for, and whether CI would be stopped.
local function changed(gw, from, to)
	made = made + 2
	local r = gw:cli { "policy", "diff", bundle(gw, "from" .. made, from), bundle(gw, "to" .. made, to), "--fail-on", "widen" }
	return r.out, r.code == 1
end
local function same(gw, from, to, why)
	local out, stops = changed(gw, from, to)
	expect(out, why):has("0 widened, 0 narrowed, 0 changed\n")
	expect(stops):is(false)
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

test "diff tells who may approve, by what way and until when"
local gw = gateway { start = false, policies = { ["root/rig.yaml"] = OLD } }
local function approval(terms) return PEOPLE .. "  - allow: fs/delete\n    approval: " .. terms .. "\n" end
local function approve(terms) return PEOPLE .. "  - allow: fs/delete\n  - approve: fs/delete\n    reason: no way back\n    approval: " .. terms .. "\n" end
for _, c in ipairs {
	{ "{ approvers: { groups: [sre] } }", "{}", " by groups [sre]", "" },
	{ "{ approvers: { groups: [sre] } }", "{ approvers: { groups: [dev, sre] } }", " by groups [sre]", " by groups [dev, sre]" },
	{ "{ second_person: true }", "{}", " by a second person", "" },
	{ "{ expires: 1m }", "{ expires: 24h }", " within 60 s", " within 86400 s" },
	{ "{ via: [cli] }", "{ via: [webhook, cli] }", " via cli", " via webhook, then cli" },
} do
	local out, stops = changed(gw, approval(c[1]), approval(c[2]))
	expect(out):has("  ~ fs/delete: allow with approval" .. c[3] .. " -> allow with approval" .. c[4] .. "\n")
	expect(stops, "somebody else may say yes"):is(true)
	out, stops = changed(gw, approve(c[1]), approve(c[2]))
	expect(out):has("  ~ fs/delete: allow; approve" .. c[3] .. " -> allow; approve" .. c[4] .. "\n")
	expect(stops):is(true)
end
same(gw, approve "{ approvers: { groups: [sre, dev] } }", approve "{ expires: 10m, approvers: { groups: [dev, sre] }, via: [webhook, cli] }",
	"the same in other words")
-- Of two ways that need an approval the first one's people are asked.
local two = approval("{ approvers: { groups: [sre] } }") .. "  - allow: fs/*\n    approval: {}\n"
local turned = PEOPLE .. "  - allow: fs/*\n    approval: {}\n  - allow: fs/delete\n    approval: { approvers: { groups: [sre] } }\n"
expect((changed(gw, two, turned))):has("~ fs/delete: allow with approval as choice 2; allow with approval by groups [sre] -> ")
-- Who joins the group may approve from then on.
local out, stops = changed(gw, approve "{ approvers: { groups: [sre] } }", (approve "{ approvers: { groups: [sre] } }":gsub("ben: { groups: %[dev%] }", "ben: { groups: [dev, sre] }")))
expect(out):has("+ acme/payments/ben group sre of approvers: not in it -> in it\n")
expect(stops):is(true)

test "diff counts the rules that ask: more than a call can have are a refusal"
local gw = gateway { start = false, policies = { ["root/rig.yaml"] = OLD } }
local function asking(n) return OLD .. "  - allow: fs/delete\n" .. ("  - approve: fs/delete\n    reason: no way back\n"):rep(n) end
local out, stops = changed(gw, asking(4), asking(5))
expect(out):has("- fs/delete: allow; approve; approve; approve; approve -> allow; approve; approve; approve; approve; approve\n")
expect(stops):is(false)
out, stops = changed(gw, asking(5), asking(4))
expect(out):has("+ fs/delete: allow; approve;")
expect(stops, "a call that nobody could approve can be approved"):is(true)

test "diff tells plans' people, labels, what shares a limit, and how a level deals with money"
local gw = gateway { start = false, policies = { ["root/rig.yaml"] = OLD } }
local function plan(terms) return PEOPLE .. "  - allow: code:run\n    plan: writes\n    approval: " .. terms .. "\n" end
local out, stops = changed(gw, plan "{ approvers: { groups: [sre] } }", plan "{}")
expect(out):has("~ code:run: allow; approve plans by groups [sre]; plan writes -> allow; approve plans; plan writes\n")
expect(stops):is(true)
local function labelled(as) return OLD .. "  - allow: \"crm/*\"\n  - label: crm/read\n    as: [" .. as .. "]\n" end
out, stops = changed(gw, labelled "private, untrusted", labelled "untrusted")
expect(out):has("+ crm/read: allow; label private; label untrusted -> allow; label untrusted\n")
expect(stops):is(true)
local function limited(a, b)
	return OLD .. "  - allow: \"fs/*\"\n" .. (a .. "," .. (b or "")):gsub("([^,]+),?", "  - limit: %1\n    to: { calls: 5/day }\n")
end
out, stops = changed(gw, limited '"fs/put_*"', limited("fs/put_a", "fs/put_b"))
expect(out, "a bucket for both, or one for each"):has("~ fs/put_a: allow; at most 5 calls/day per key of fs/put_* -> allow; at most 5 calls/day per key\n")
expect(stops):is(true)
local function money(said) return (OLD:gsub("organisation:\n", function(line) return line .. "  " .. said:gsub("\n", "\n  ") .. "\n" end)) end
out, stops = changed(gw, money "enforcement: enforce\nunknown_price: deny", money "enforcement: observe\nunknown_price: estimate")
expect(out):has("+ the organisation unknown_price: deny -> estimate\n+ the organisation enforcement: enforce -> observe\n")
expect(out, "told of the level that says it"):lacks("acme enforcement")
expect(stops):is(true)
out, stops = changed(gw, money "hold: usual\nat_cap: finish", money "hold: worst\nat_cap: cut")
expect(out):has("- the organisation hold: usual -> worst\n- the organisation at_cap: finish -> cut\n")
expect(stops):is(false)
out, stops = changed(gw, money 'alerts: { at: ["50%", "80%"] }\nzone: Europe/Berlin', money 'alerts: { at: ["80%"], to: [webhook] }')
expect(out):has("~ the organisation alerts: at 50%, 80% to log -> at 80% to webhook\n~ the organisation zone: Europe/Berlin -> UTC\n")
expect(stops):is(true)

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
