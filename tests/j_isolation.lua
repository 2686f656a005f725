-- SPDX-License-Identifier: Apache-2.0
-- Who shares a child process with whom, and when it goes.

-- Says which process it is; `hold` is never answered.
local WHO = [[
while read -r line; do
	id=${line#*\"id\":}
	id=${id%%,*}
	case $line in
	*notifications/*) continue ;;
	*server/discover*) say='"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete"}' ;;
	*tools/list*) say='"result":{"tools":[{"name":"who","inputSchema":{"type":"object"}},{"name":"hold","inputSchema":{"type":"object"}}],"resultType":"complete"}' ;;
	*tools/call*hold*) echo holds >&2; continue ;;
	*tools/call*) say="\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$$\"}],\"resultType\":\"complete\"}" ;;
	*) say='"error":{"code":-32601,"message":"no"}' ;;
	esac
	printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$say"
done
]]

-- A gateway whose one server is that one; ann and bob have a key each.
local function world(isolation)
	local script = rig.scratch() .. "/who.sh"
	sys.write_file(script, WHO)
	local gw = gateway { clock = true, policies = rules('allow: "who/*"'), yaml = "servers:\n  who: { command: [/bin/sh, " ..
		script .. "]" .. (isolation and ", isolation: " .. isolation or "") .. " }\n" }
	local ann = gw:key { name = "ann", customer = "acme", team = "payments", user = "ana" }
	local bob = gw:key { name = "bob", customer = "acme", team = "payments", user = "ana" }
	gw:wait_tools(ann, 2)
	return gw, ann, bob
end

local function call_of(name) return { jsonrpc = "2.0", id = 5, method = "tools/call", params = { name = "who__" .. name } } end

-- The process that answers this legacy session, or this modern client.
local function who(c)
	local r = c.post and c.post(call_of("who")).json.result or c:call("who__who")
	return math.tointeger(r.content[1].text)
end

test "a child is shared by all keys and sessions unless something else is said"
local gw, ann, bob = world()
local one, two = legacy_client(gw, ann), legacy_client(gw, ann)
local pid = who(one)
expect(who(two)):is(pid)
expect(who(legacy_client(gw, bob))):is(pid)
expect(who(gw:mcp(ann))):is(pid)

test "per-key: all sessions of a key have one child, and no other key has it"
local gw, ann, bob = world("per-key")
local one, two, modern = legacy_client(gw, ann), legacy_client(gw, ann), gw:mcp(ann)
local pid = who(one)
expect(who(two)):is(pid)
expect(who(modern)):is(pid)
expect(who(one)):is(pid)
local other = who(legacy_client(gw, bob))
expect(other ~= pid):is(true)
expect(who(gw:mcp(bob))):is(other)
gw:ok { "key", "revoke", ann.id }
wait_gone { pid }
expect(who(gw:mcp(bob))):is(other)

test "per-session: each session has a child of its own, and it goes with the session"
local gw, ann, bob = world("per-session")
local one, two, theirs, modern = legacy_client(gw, ann), legacy_client(gw, ann), legacy_client(gw, bob), gw:mcp(ann)
local pids, seen = { who(one), who(two), who(theirs), who(modern) }, {}
for _, pid in ipairs(pids) do
	expect(seen[pid]):is(nil)
	seen[pid] = true
end
expect(who(one)):is(pids[1])
expect(who(two)):is(pids[2])
expect(who(modern)):is(pids[4])
expect(one.delete().status):below(300)
wait_gone { pids[1] }
expect(who(two)):is(pids[2])
expect(who(theirs)):is(pids[3])
gw:stop()
wait_gone(pids)

test "a child that nobody has used for long enough goes, and the next call starts another"
local gw, ann = world("per-session")
local one = legacy_client(gw, ann)
local pid = who(one)
gw:advance("4m")
expect(who(one)):is(pid)
gw:advance("4m")
expect(who(one)):is(pid)
gw:advance("6m")
wait_gone { pid }
expect(who(one) ~= pid):is(true)

test "a key's ninth child takes the place of its idlest, never of another key's, and never of one in use"
local gw, ann, bob = world("per-session")
local theirs = legacy_client(gw, bob)
local other, sessions, pids = who(theirs), {}, {}
for i = 1, 8 do
	gw:advance("1s")
	sessions[i] = legacy_client(gw, ann)
	pids[i] = who(sessions[i])
end
gw:advance("1s")
expect(who(sessions[1])):is(pids[1])
local ninth = legacy_client(gw, ann)
expect(who(ninth) > 0):is(true)
wait_gone { pids[2] }
expect(who(sessions[1])):is(pids[1])
expect(who(theirs)):is(other)
for _, s in ipairs { sessions[1], sessions[3], sessions[4], sessions[5], sessions[6], sessions[7], sessions[8], ninth } do
	spawn(s.post, call_of("hold"))
end
wait_for("eight calls in use", function() return select(2, gw.process.err:gsub("text=holds", "")) == 8 end)
expect(legacy_client(gw, ann).post(call_of("who")).body):has("in use")
expect(who(theirs)):is(other)
