-- SPDX-License-Identifier: Apache-2.0
-- What the processes that run scripts know of the gateway: nothing.  Its keys are looked for in all
-- of their memory, at rest and at work; the same search finds them in the gateway, and finds in one
-- worker what its script holds.

local PROVIDER, UPSTREAM = "sk-canary-provider-7c0ffee1", "canary-upstream-token-0d15ea5e"
local PLANTED = { "planted-", "by-the-script-5ca1ab1e" }

local function processes(gw)
	local out = {}
	for _, pid in ipairs(descendants(gw.pid)) do
		if (read_file("/proc/" .. pid .. "/comm") or ""):find("sandbox-worker", 1, true) then out[#out + 1] = pid end
	end
	return out
end

-- Four workers at rest and one at work; a list asked for is what makes the time pass.
local function wait_workers(gw, key)
	for _ = 1, 400 do
		if #processes(gw) >= 2 + 4 + 1 then return end
		gw:mcp(key):tools()
	end
	rig.fail("the workers never came")
end

-- How often each text stands in the memory of a process; nil when its memory cannot be read.
local function search(pid, texts)
	local mem = io.open("/proc/" .. pid .. "/mem", "rb")
	local maps = read_file("/proc/" .. pid .. "/maps")
	local found, bytes = {}, 0
	if not mem or not maps or maps == "" then return nil end
	for i in ipairs(texts) do found[i] = 0 end
	for from, to, mode in maps:gmatch("(%x+)%-(%x+) (%S+)[^\n]*") do
		local at, last = math.tointeger(tonumber(from, 16)), math.tointeger(tonumber(to, 16))
		local tail = ""
		-- What is larger is no memory of a program but a sanitizer's note of it; a worker may have 0.2 GiB.
		while mode:sub(1, 1) == "r" and last - at < 1 << 30 and at > 0 and at < last and mem:seek("set", at) do
			local piece = mem:read(math.min(last - at, 1 << 20))
			if not piece then break end
			bytes = bytes + #piece
			at = at + #piece
			piece = tail .. piece
			for i, text in ipairs(texts) do
				local p = 0
				while true do
					p = piece:find(text, p + 1, true)
					if not p then break end
					if p + #text - 1 > #tail then found[i] = found[i] + 1 end
				end
			end
			tail = piece:sub(-64)
		end
	end
	mem:close()
	return found, bytes
end

test "no key of the gateway is in the memory of a process of the sandbox"
-- limit: 60 s
local up = mcp_server "shop" { tools = { "price", { name = "wait", hang = true } },
	yaml = 'headers: { authorization: "Bearer {env:SHOP_TOKEN}" }' }
local gw = gateway { servers = { shop = up }, providers = { anthropic = provider {} },
	env = { RIG_PROVIDER_KEY = PROVIDER, SHOP_TOKEN = UPSTREAM },
	policies = rules("allow: shop/*", "allow: code:run", 'allow: "model:*"') }
local key = gw:dev()
gw:wait_tools(key, 4)
expect(gw:client(key):post("/anthropic/v1/messages",
	'{"model":"claude-sonnet-4-6","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}').status):is(200)
expect(gw:mcp(key):call("lua", { code = "return shop.price{}" }).isError):is(false)
expect(up.calls[1].headers.authorization):is("Bearer " .. UPSTREAM)

local texts = { PROVIDER, UPSTREAM, key.key, PLANTED[1] .. PLANTED[2] }
local code = ('local held = "%s" .. "%s" shop.wait{} return held'):format(PLANTED[1], PLANTED[2])
spawn(function() pcall(gw.mcp(gw, key).call, gw:mcp(key), "lua", { code = code }) end)
up:wait_calls(2)
wait_workers(gw, key)

local here = search(gw.pid, texts)
local holders, readable = 0, 0
for _, pid in ipairs(processes(gw)) do
	local found, bytes = search(pid, texts)
	if found then
		readable = readable + 1
		expect(bytes, "what was read of process " .. pid):above(1000000)
		for i = 1, 3 do expect(found[i], "secret " .. i .. " in process " .. pid):is(0) end
		if found[4] > 0 then holders = holders + 1 end
	end
end
if here then -- root, or whoever may trace: then nothing is hidden from this search
	expect(here[1], "the provider's key in the gateway"):above(0)
	expect(here[2], "the server's token in the gateway"):above(0)
end
if readable > 0 then
	expect(readable):is(#processes(gw))
	expect(holders, "workers that hold what the script holds"):is(1)
end
up:release()

test "a process of the sandbox has an empty environment, no file, and no capability"
local up = mcp_server "shop" { tools = { { name = "wait", hang = true } } }
local gw = gateway { servers = { shop = up }, env = { RIG_PROVIDER_KEY = PROVIDER, CANARY = UPSTREAM },
	policies = rules("allow: shop/*", "allow: code:run") }
local key = gw:dev()
gw:wait_tools(key, 3)
spawn(function() pcall(gw.mcp(gw, key).call, gw:mcp(key), "lua", { code = "shop.wait{} return 1" }) end)
up:wait_calls(1)
wait_workers(gw, key)
local looked = 0
for _, pid in ipairs(processes(gw)) do
	local status = read_file("/proc/" .. pid .. "/status")
	expect(status):has("CapEff:\t0000000000000000")
	expect(status):has("CapPrm:\t0000000000000000")
	expect(status):has("NoNewPrivs:\t1")
	expect(read_file("/proc/" .. pid .. "/cmdline")):lacks(UPSTREAM)
	local environment = read_file("/proc/" .. pid .. "/environ")
	if environment then expect(environment):is("") end
	local list = io.popen("/bin/ls -l /proc/" .. pid .. "/fd 2>/dev/null")
	local links = list:read("a")
	if list:close() then
		looked = looked + 1
		for target in links:gmatch("%-> ([^\n]*)") do
			if target ~= "anon_inode:[signalfd]" then -- of the zygote, for the ends of its children
				expect(target, "a descriptor of process " .. pid):matches("^socket:") -- no file, no pipe
			end
		end
	end
end
if read_file("/proc/" .. gw.pid .. "/environ") and looked > 0 then expect(looked):above(4) end
up:release()
