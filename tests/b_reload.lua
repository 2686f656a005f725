-- SPDX-License-Identifier: Apache-2.0
-- Policies are read again while the gateway serves.

local BODY = '{"model":"claude-sonnet-4-6","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'
local SIGHUP = 1

local ORG = [[
version: 1
organisation:
  customers:
    acme:
      teams:
        payments:
          users:
            ana: {}
            bob: {}
policy: everything
applies_to: { customers: ["*"] }
rules:
  - allow: "model:*"
]]
local ALL = ORG .. "  - allow: any/*\n"
local NONE = ORG .. "  - allow: github/get_*\n"

local function rewrite(gw, text) sys.write_file(gw.folder .. "/policies/root/rig.yaml", text) end

local function policies(gw) return gw:client():get("/readyz").json.policies end
-- The files settle on a clock that is moved; the reading itself is a thread's.
local function settled(gw, n)
	for _ = 1, 1000 do
		gw:advance("500ms")
		local p = policies(gw)
		if p.reloads + p.failed >= n then return p end
	end
	error("the files were read " .. policies(gw).reloads .. " times, not " .. n)
end

test "reload puts new rules in force, tells clients with another view, and is audited"
local srv = mcp_server { tools = { "get_issue", "delete_repo" } }
local gw = gateway { servers = { github = srv }, policies = { ["root/rig.yaml"] = ALL } }
local key = gw:key { name = "dev", user = "ana" }
expect(#gw:wait_tools(key, 2)):is(2)
local before = gw:client():get("/readyz").json.policies.rev
rewrite(gw, NONE)
expect(gw:ok({ "reload" }).out):has("in force")
expect(gw:mcp(key):tools()):same { "github__get_issue" }
local policies = gw:client():get("/readyz").json.policies
expect(policies.rev ~= before):is(true)
expect(policies.reloads):is(1)
expect(gw:audit()):has { name = "policies.reload", verdict = "ok", rev = policies.rev }

test "a bad bundle keeps the old one and says where it is wrong, in the answer, in /readyz and in metrics"
local gw = gateway { policies = { ["root/rig.yaml"] = ALL } }
local before = gw:client():get("/readyz").json.policies.rev
rewrite(gw, ALL .. "  - alow: x/y\n")
local r = gw:cli { "reload" }
expect(r.code):is(1)
expect(r.err):matches("root/rig%.yaml:%d+:%d+: ")
local ready = gw:client():get("/readyz")
expect(ready.status):is(200)
expect(ready.json.policies.rev):is(before)
expect(ready.json.policies.kept_because):matches("root/rig%.yaml:%d+:%d+: ")
expect(gw:client():get("/metrics").body):has('tollgate_policies_current 0')
expect(gw:client():get("/metrics").body):has('tollgate_policies_reloads_total{result="kept"} 1')
expect(gw:audit()):has { name = "policies.reload", verdict = "invalid_request" }
rewrite(gw, ALL)
gw:ok { "reload" }
expect(gw:client():get("/readyz").json.policies.kept_because):is(nil)
expect(gw:client():get("/metrics").body):has('tollgate_policies_current 1')
gw:stop()
expect(gw:cli({ "reload" }).err):has("no gateway runs")
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")

test "SIGHUP reloads"
local gw = gateway { policies = { ["root/rig.yaml"] = ALL } }
rewrite(gw, ALL .. "# again\n")
sys.kill(gw.pid, SIGHUP)
local reloads = 0
for _ = 1, 400 do
	reloads = gw:client():get("/readyz").json.policies.reloads
	if reloads == 1 then break end
end
expect(reloads):is(1)

test "changed files are noticed, however they are changed; a bad bundle keeps the old one until it is mended"
local gw = gateway { clock = true, yaml = "watch: true\n", servers = { github = mcp_server { tools = {} } }, policies = { ["root/rig.yaml"] = ALL } }
local root, before = gw.folder .. "/policies/root", policies(gw).rev
rewrite(gw, NONE)
local now = settled(gw, 1)
expect(now.rev ~= before):is(true)
expect(now.reloads):is(1)
expect(gw:audit()):has { name = "policies.reload", actor = "files", verdict = "ok", rev = now.rev }
-- An editor: beside it, then over it; what it leaves about meanwhile is nobody's.
sys.write_file(root .. "/.rig.yaml.swp", "x")
sys.write_file(root .. "/rig.yaml~", "x")
gw:advance("5s")
gw:advance("5s")
expect(policies(gw).reloads):is(1)
sys.write_file(root .. "/.new", ALL .. "  - alow: x/y\n")
assert(os.rename(root .. "/.new", root .. "/rig.yaml"))
now = settled(gw, 2)
expect(now.failed):is(1)
expect(now.kept_because):has("unknown key \"alow\"")
expect(gw:client():get("/metrics").body):has("tollgate_policy_reload_failed 1")
rewrite(gw, ALL)
now = settled(gw, 3)
expect(now.kept_because):is(nil)
expect(now.rev):is(before)
expect(gw:client():get("/metrics").body):has("tollgate_policy_reload_failed 0")
-- A folder that was not there, and a file in it later on.
sys.mkdir(gw.folder .. "/policies/customers")
sys.mkdir(gw.folder .. "/policies/customers/acme")
now = settled(gw, 4)
sys.write_file(gw.folder .. "/policies/customers/acme/more.yaml",
	"version: 1\npolicy: more\napplies_to: { customers: [acme] }\nrules:\n  - allow: \"code:run\"\n")
now = settled(gw, 5)
expect(now.rev ~= before):is(true)
-- The whole folder is another one: moved away, and put back.
assert(os.rename(gw.folder .. "/policies", gw.folder .. "/away"))
now = settled(gw, 6)
expect(now.kept_because):has("cannot be read")
assert(os.rename(gw.folder .. "/away", gw.folder .. "/policies"))
settled(gw, 7)
assert(os.remove(gw.folder .. "/policies/customers/acme/more.yaml"))
now = settled(gw, 8)
expect(now.kept_because):is(nil)
expect(now.rev):is(before)

test "with watch: false only a reload reads them"
local gw = gateway { clock = true, policies = { ["root/rig.yaml"] = ALL } }
rewrite(gw, NONE)
gw:advance("10s")
gw:advance("10s")
expect(policies(gw).reloads):is(0)

test "a user who left the files is cut off by the reload, others go on"
local up = provider { chunks = 4, hold_after = 2 }
local gw = gateway { providers = { anthropic = up }, policies = { ["root/rig.yaml"] = ALL } }
local ana, bob = gw:key { name = "ana", user = "ana" }, gw:key { name = "bob", user = "bob" }
local a = gw:client(ana):message { stream = true }
local b = gw:client(bob):message { stream = true }
expect(a:event().event):is("message_start")
expect(b:event().event):is("message_start")
rewrite(gw, (ALL:gsub("            bob: {}\n", "")))
gw:ok { "reload" }
expect(gw:client(bob):get("/v1/quota").status):is(403)
expect(gw:client(ana):get("/v1/quota").status):is(200)
up:release()
local last
for e in function() return a:event() end do last = e.event end
expect(last):is("message_stop")
gw:stop()
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")

test "reload under load drops nothing, and what a pass entered with is what it is charged to"
-- limit: 60 s
local up = provider { usage = { input_tokens = 7, output_tokens = 3 } }
local gw = gateway { providers = { anthropic = up }, policies = { ["root/rig.yaml"] = ALL } }
local key = gw:key { name = "dev", user = "ana" }
local going, done, bad = true, 0, 0
for _ = 1, 8 do
	spawn(function()
		local c = gw:client(key)
		while going do
			local ok, r = pcall(c.post, c, "/anthropic/v1/messages", BODY)
			if ok and r.status == 200 then done = done + 1 else bad = bad + 1 end
		end
	end)
end
-- The user moves to another team and back, under way.
local MOVED = ALL:gsub("payments", "risk")
for round = 1, 50 do
	local target = done + 20
	rewrite(gw, round % 5 == 0 and ALL .. "  - what\n" or ALL .. "# " .. round .. "\n")
	expect(gw:cli({ "reload" }).code):is(round % 5 == 0 and 1 or 0)
	wait_for("traffic", function() return done >= target end)
end
rewrite(gw, MOVED)
gw:ok { "reload" }
local target = done + 20
wait_for("traffic", function() return done >= target end)
going = false
expect(bad):is(0)
gw:stop()
expect(gw:ok({ "audit", "verify" }).out):matches("^ok %d+ rows")
local rows = gw:ok({ "usage", "--by", "team", "--json" }).json
expect(rows):has { name = "payments" }
expect(rows):has { name = "risk" }
