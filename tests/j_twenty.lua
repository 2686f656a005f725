-- SPDX-License-Identifier: Apache-2.0
-- Twenty servers behind one gateway, four of them bad: the others are not harmed, and nothing is
-- left behind.

local DEMO = (os.getenv("B") or "build") .. "/demo-server"
if DEMO:sub(1, 1) ~= "/" then DEMO = os.getenv("PWD") .. "/" .. DEMO end

-- It comes up, lists its one tool and dies.
local DIES = [[
while read -r line; do
	id=${line#*\"id\":}
	id=${id%%,*}
	case $line in
	*server/discover*) say='{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete"}' ;;
	*tools/list*) say='{"tools":[{"name":"last_words","inputSchema":{"type":"object"}}],"resultType":"complete"}' over=1 ;;
	*notifications/*) continue ;;
	*) exit 1 ;;
	esac
	printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$say"
	[ -z "$over" ] || exit 1
done
]]

local BROKEN = [=[[{"name":"good","inputSchema":{"type":"object"}},{"name":"list","inputSchema":{"type":"array"}},
	{"name":7},{"inputSchema":3},null,{"name":"","inputSchema":{"type":"object"}},{"name":"good","inputSchema":{"type":"object"}}]]=]

local function many(n)
	local tools = {}
	for i = 1, n do tools[i] = string.format("tool_%04d", i) end
	return tools
end

local function logged(gw, words)
	local _, n = gw.process.err:gsub(words, "")
	return n
end

-- Eight over HTTP, eight child processes, in every era; and hang, dies, broken, many.
local function twenty(o)
	local up, rows = { broken = mcp_server "broken" { tools_raw = BROKEN }, many = mcp_server "many" { tools = many(2000) } }, {}
	local function row(name, text) rows[#rows + 1] = "  " .. name .. ": " .. text .. "\n" end
	for i = 1, 8 do
		local name, odd = "web" .. i, i % 2 == 1
		up[name] = mcp_server(name) { era = odd and "modern" or "legacy", tools = { "find", { name = "wait", hang = true } } }
		row("child" .. i, "{ command: [" .. DEMO .. (odd and "" or ", --legacy") .. "] }")
	end
	for name, s in pairs(up) do row(name, '{ url: "' .. s.url .. '" }') end
	local script = rig.scratch() .. "/dies.sh"
	sys.write_file(script, DIES)
	row("hang", "{ command: [" .. DEMO .. ", --mute] }")
	row("dies", "{ command: [/bin/sh, " .. script .. "] }")
	table.sort(rows)
	o.yaml = "pin: off\nservers:\n" .. table.concat(rows)
	o.policies = rules('allow: "any/*"')
	o.start = false
	local gw = gateway(o)
	-- It is ready when each server has listed or failed once; hang fails when its time is over.
	spawn(function()
		wait_for("all but hang", function() return gw.process and logged(gw, "server ready") == 19 end)
		if o.clock then gw:advance("3s") gw:advance("6s") end
	end)
	return gw:start(), up
end

-- The process with this word on its command line, and all below it.
local function family(gw, word)
	for _, pid in ipairs(descendants(gw.pid)) do
		if (read_file("/proc/" .. pid .. "/cmdline") or ""):find(word, 1, true) then
			local list = descendants(pid)
			list[#list + 1] = pid
			return list
		end
	end
	return {}
end

local function named(list)
	local names = {}
	for i, t in ipairs(list) do names[i] = t.name end
	return table.concat(names, " ")
end

local function states(gw)
	local by = {}
	for _, s in ipairs(gw:ok { "servers", "--json" }.json) do by[s.name] = s end
	return by
end

-- 8 x 2 over HTTP, 8 x 6 of the demo, one of dies, one of broken, 2,000 of many.
local TOOLS = 16 + 48 + 1 + 1 + 2000

local function all_are_called(c)
	for i = 1, 8 do
		expect(c:call("web" .. i .. "__find").content[1].text):is("find done")
		expect(c:call("child" .. i .. "__search_notes", { query = "a" }).content[1].type):is("text")
	end
	expect(c:call("many__tool_2000").content[1].text):is("tool_2000 done")
end

test "a hanging, a dying, a broken and a huge server leave the sixteen others, and the list, whole"
-- limit: 60 s
local gw, up = twenty { clock = true }
local key = gw:dev()
local names = gw:wait_tools(key, TOOLS)
expect(#names):is(TOOLS)
local c, waits = gw:mcp(key), gw:mcp(key)
local first = named(c:definitions())
expect(first):has("broken__good")
expect(first):lacks("broken__list")
expect(first):has("dies__last_words")
local answer
spawn(function() answer = waits:call("web1__wait") end)
up.web1:wait_calls(1)
for i = 1, 8 do
	local before = logged(gw, "server down server=dies")
	gw:advance("2s")
	wait_for("its death", function() return logged(gw, "server down server=dies") > before end)
	expect(named(c:definitions())):is(first)
	all_are_called(c)
end
expect(states(gw).hang.state ~= "ready"):is(true)
expect(states(gw).broken.left_out):above(4)
expect(c:call("dies__last_words").isError or c:call("dies__last_words").error ~= nil):is(true)
expect(answer == nil):is(true)
up.web1:release()
wait_for("the slow answer", function() return answer end)
expect(answer.content[1].text):is("wait done")

test "after kill -9 of the gateway no child is left"
-- limit: 60 s
local gw = twenty { clock = true }
local key = gw:dev()
gw:wait_tools(key, TOOLS)
local pids = descendants(gw.pid)
expect(#pids):above(8)
gw:kill9()
wait_gone(pids)

test "what a server itself has started ends with it: with the server, and with the gateway"
local gw = gateway { yaml = "pin: off\nservers:\n  forks:\n    command: [/bin/sh, -c, 'sleep 1000 & echo up >&2; exec " .. DEMO ..
	" --die-call']\n    env: { PATH: \"/usr/bin:/bin\" }\n", policies = rules('allow: "any/*"') }
local key = gw:dev()
gw:wait_tools(key, 6)
local before = family(gw, "--die-call")
expect(#before):is(2)
gw:mcp(key):call("forks__search_notes", { query = "a" })
wait_gone(before)
wait_for("its next start", function() return logged(gw, "server ready server=forks") == 2 end)
local pids = descendants(gw.pid)
expect(#family(gw, "--die-call")):is(2)
gw:kill9()
wait_gone(pids)
