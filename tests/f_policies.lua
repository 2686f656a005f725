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
    when: { path: { under: /repo } }
  - deny: any/y
]] } }
local r = gw:cli { "check" }
expect(r.code):is(1)
local all = r.out .. r.err
expect(all):has('bad.yaml:3:23: team "paiments" is not in the policy files (did you mean "payments"?)')
expect(all):has("bad.yaml:6:5: 'when' is not supported yet (remove it)")
expect(all):has("bad.yaml:7:5: a deny needs a reason")
expect(gw:cli({ "run" }).code):is(1)
