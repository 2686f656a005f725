-- SPDX-License-Identifier: Apache-2.0
-- How a server's process ends: its stdin is closed, two seconds, SIGTERM, two seconds, SIGKILL.

-- `who` tells which process it is, `die` is not answered; what it lives through is in the file $1.$$.
local SERVES = [[
note() { echo "$1" >>"$out.$$"; echo "$1 $$" >&2; }
out=$1
while read -r line; do
	id=${line#*\"id\":}
	id=${id%%,*}
	case $line in
	*notifications/*) continue ;;
	*server/discover*) say='"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete"}' ;;
	*tools/list*) say='"result":{"tools":[{"name":"who","inputSchema":{"type":"object"}}],"resultType":"complete"}' ;;
	*tools/call*) say="\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$$\"}],\"resultType\":\"complete\"}" ;;
	*) say='"error":{"code":-32601,"message":"no"}' ;;
	esac
	printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$say"
done
]]

-- Reads and never answers.
local MUTE = [[
note() { echo "$1" >>"$out.$$"; echo "$1 $$" >&2; }
out=$1
note began
while read -r line; do :; done
]]

local ENDS = {
	polite = "note closed\n", -- what a server should do
	deaf = "trap 'note term; exit 0' TERM\nnote closed\nwhile :; do sleep 1000 & wait; done\n",
	stubborn = "trap '' TERM\nnote closed\nexec sleep 1000\n",
}

-- The settings of a server that behaves so in the end, and where its notes are.
local function server(how, more, serves)
	local script, out = rig.scratch() .. "/" .. how .. ".sh", rig.scratch() .. "/" .. how
	sys.write_file(script, (serves or SERVES) .. ENDS[how])
	return "  " .. how .. ": { command: [/bin/sh, " .. script .. ", " .. out .. "], env: { PATH: \"/usr/bin:/bin\" }" .. (more or "") .. " }\n",
		function(pid) return read_file(out .. "." .. pid) end
end

local function noted(gw, what, n)
	wait_for(n .. " times " .. what, function() return select(2, gw.process.err:gsub('text="' .. what .. " %d+", "")) >= n end)
end

local function pid_that(gw, what) return math.tointeger(gw.process.err:match('text="' .. what .. " (%d+)")) end

local function runs(pid) return (read_file("/proc/" .. pid .. "/stat") or "Z"):match("Z") == nil end

local function call(c, tool)
	local r = c.post { jsonrpc = "2.0", id = 5, method = "tools/call", params = { name = tool } }
	return math.tointeger(r.json.result.content[1].text)
end

test "when the gateway ends, all its servers are asked at the same time, and a hanging one costs the two waits"
local polite, told = server("polite")
local deaf, told_deaf = server("deaf")
local stubborn, told_stubborn = server("stubborn")
local gw = gateway { clock = true, policies = rules('allow: "any/*"'), yaml = "pin: off\nservers:\n" .. polite .. deaf .. stubborn }
local key = gw:dev()
gw:wait_tools(key, 3)
local c = gw:mcp(key)
local function who(name) return math.tointeger(c:call(name .. "__who").content[1].text) end
local a, b, s = who("polite"), who("deaf"), who("stubborn")
c:close()
local pids = descendants(gw.pid)
sys.kill(gw.pid, 15)
noted(gw, "closed", 3)
wait_gone { a }
expect(told(a)):is("closed\n")
gw:advance("1999ms")
expect(told_deaf(b)):is("closed\n")
local below = descendants(b)
gw:advance("1ms")
wait_gone { b }
wait_gone(below) -- which hold its output
wait_for("the gateway to know", function() return not read_file("/proc/" .. b .. "/stat") end)
expect(told_deaf(b)):is("closed\nterm\n")
gw:advance("1999ms")
expect(runs(s)):is(true)
expect(gw.process:running()):is(true)
gw.clock:move(1)
expect(gw.process:wait(10000)):is(0)
wait_gone(pids)
expect(told_stubborn(s)):is("closed\n")
expect(gw.process.err):has("server did not end by itself: killed server=stubborn")
expect(gw.process.err):lacks("killed server=deaf")

test "a second SIGTERM waits for nobody"
local stubborn = server("stubborn")
local gw = gateway { clock = true, yaml = "servers:\n" .. stubborn }
local pids = descendants(gw.pid)
sys.kill(gw.pid, 15)
noted(gw, "closed", 1)
expect(gw.process:running()):is(true)
sys.kill(gw.pid, 15)
expect(gw.process:wait(10000)):is(0)
wait_gone(pids)

test "a server whose session or whose time is over ends kindly, and the next call waits for none of the old ones"
local deaf, told = server("deaf", ", isolation: per-session")
local gw = gateway { clock = true, policies = rules('allow: "any/*"'), yaml = "pin: off\nservers:\n" .. deaf }
local key = gw:dev()
gw:wait_tools(key, 1)
local one, two = legacy_client(gw, key), legacy_client(gw, key)
local first, second = call(one, "deaf__who"), call(two, "deaf__who")
expect(one.delete().status):below(300)
noted(gw, "closed", 1)
expect(pid_that(gw, "closed")):is(first)
local third = call(legacy_client(gw, key), "deaf__who")
expect(third ~= first and third ~= second):is(true)
expect(runs(first)):is(true)
gw:advance("2s")
wait_gone { first }
expect(told(first)):is("closed\nterm\n")
gw:advance("6m")
noted(gw, "closed", 3)
local fourth = call(two, "deaf__who")
expect(fourth ~= second):is(true)
gw:advance("2s")
wait_gone { second, third }
expect(told(second)):is("closed\nterm\n")
expect(runs(fourth)):is(true)
-- The key goes, and its child with it.
gw:ok { "key", "revoke", key.id }
noted(gw, "closed", 4)
gw:advance("2s")
wait_gone { fourth }
expect(told(fourth)):is("closed\nterm\n")

test "a server whose handshake fails ends kindly, and is started again meanwhile"
local deaf, told = server("deaf", nil, MUTE)
local gw = gateway { clock = true, start = false, yaml = "servers:\n" .. deaf }
gw:launch()
noted(gw, "began", 1)
local first = pid_that(gw, "began")
gw:advance("3s") -- it may be of the older era
gw:advance("5s")
noted(gw, "closed", 1)
expect(told(first)):is("began\nclosed\n")
gw:advance("1s") -- the back-off
noted(gw, "began", 2)
expect(runs(first)):is(true)
gw:advance("2s")
wait_gone { first }
expect(told(first)):is("began\nclosed\nterm\n")

test "`tollgate lock` without a gateway lets its servers end, too"
local polite = server("polite")
local gw = gateway { start = false, yaml = "servers:\n" .. polite }
gw:ok { "lock", "init", "--by", "ana" }
local notes = {}
for _, name in ipairs(sys.list(rig.scratch())) do
	if name:match("^polite%.%d+$") then notes[#notes + 1] = read_file(rig.scratch() .. "/" .. name) end
end
expect(notes):same { "closed\n" }
