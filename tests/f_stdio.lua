-- SPDX-License-Identifier: Apache-2.0
-- Tool servers on the gateway's host: what they are given and what they may not do.

local DEMO = (os.getenv("B") or "build") .. "/demo-server"
if DEMO:sub(1, 1) ~= "/" then DEMO = os.getenv("PWD") .. "/" .. DEMO end

-- Where another user may run it, too: this clone may stand in a home that is closed to others.
local function for_everybody(program)
	local copy = os.tmpname()
	assert(os.execute("cp " .. program .. " " .. copy .. " && chmod 755 " .. copy))
	rig.at_end(function() os.remove(copy) end)
	return copy
end

-- A server that says on its standard error what it is, then serves.
local function started(more, script)
	local gw = gateway { env = { RIG_SECRET = "hunter2" }, yaml = "servers:\n  notes:\n    command: [/bin/sh, -c, '" .. script ..
		"; exec " .. for_everybody(DEMO) .. "']\n    env: { PATH: \"/usr/bin:/bin\" }\n" .. more }
	local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
	return gw, key
end

test "a server as another user, without network, with limits, on a file system it cannot write to, serves its tools"
local gw, key = started('    user: nobody\n    network: none\n    read_only: ["/"]\n    writable: ["."]\n' ..
	-- The address sanitizer reserves terabytes.
	'    rlimits: { ' .. (DEMO:find("address", 1, true) and "" or "memory: 1GiB, ") .. 'files: 64, cpu: 1m, file_size: 1MiB, processes: 5000 }',
	"echo user=$(id -u) files=$(ulimit -n) cpu=$(ulimit -t) net=$(grep -c : /proc/net/dev) env=$RIG_SECRET. >&2; " ..
	"touch /tmp/rig-not 2>/dev/null || echo tmp=read-only >&2")
expect(#gw:wait_tools(key, 4) >= 4):is(true)
wait_for("its words", function() return gw.process.err:find("tmp=read-only", 1, true) end)
expect(gw.process.err):matches("user=65534 files=64 cpu=60 net=1 env=%.")

test "a server that cannot be given what is written down does not start, and says why; the others do"
local gw = gateway { yaml = "servers:\n  broken: { command: [" .. DEMO .. '], read_only: ["/nowhere"] }\n' ..
	"  notes: { command: [" .. DEMO .. "] }" }
local key = gw:key { name = "dev", customer = "acme", team = "payments", user = "ana" }
expect(#gw:wait_tools(key, 4) >= 4):is(true)
expect(gw.process.err):has("a folder of read_only or writable does not exist (ENOENT)")

test "what is wrong is told with its place"
local function check(more)
	return gateway({ start = false, yaml = "servers:\n  notes: { command: [" .. DEMO .. "]" .. more .. " }" }):cli({ "check" }).err
end
expect(check(", user: nobody-of-that-name")):matches('tollgate.yaml:%d+:%d+: this host has no user "nobody%-of%-that%-name"')
expect(check(", network: some")):matches("tollgate.yaml:%d+:%d+: unknown word \"some\"")
expect(check(", writable: [x]")):has("writable names exceptions from read_only")
expect(check(", rlimits: { memory: 10 }")):has("must be at least 1MiB")
expect(check(", rlimits: { cpu: 10ms }")):has("must be at least 1s")
expect(check(", rlimits: { files: 1 }")):matches("tollgate.yaml:%d+:%d+: ")
expect(check(", rlimits: { stack: 1MiB }")):has('unknown key "stack" in rlimits')
expect(check(", read_only: /")):has("a list of 1 to 32 folders")
local http = gateway { start = false, yaml = 'servers:\n  a: { url: "http://127.0.0.1:1/mcp", user: nobody }' }
expect(http:cli({ "check" }).err):has("are for a server with command")
