-- SPDX-License-Identifier: Apache-2.0
-- What somebody would try who wants a write made twice, or an answer out of a journal that he may not see any more.

local EMAIL = "ana@example.com"

local function world(rules_more, o)
	o = o or {}
	local function tool(name, readonly, result)
		return { name = name, annotations = readonly and { readOnlyHint = true } or nil, result = result }
	end
	local function text(t) return { content = json.array { { type = "text", text = t } } } end
	local shop = mcp_server "shop" { tools = { tool("read", true, function(a) return text("of " .. tostring(a.path) .. ": " .. EMAIL) end),
		tool("pay", false, function() return text("paid by " .. EMAIL) end),
		tool("huge", false, function() return text(("x"):rep(5000000)) end) } }
	local gw = gateway { servers = { shop = shop }, policies = rules(o.allow or "allow: shop/*", "allow: code:run", table.unpack(rules_more or {})) }
	local key = gw:dev()
	gw:wait_tools(key, o.n or 5)
	return gw, key, shop
end

local function client(gw, key, session)
	local c = gw:mcp(key)
	c.session = session
	return c
end

local function lua(c, code, resume, meta)
	local r = c:rpc("tools/call", { name = "lua", arguments = { code = code, resume = resume }, _meta = meta })
	expect(r.error):is(nil)
	return r.content[1].text, r.isError
end

local function run_of(text) return text:match('resume="(r%w+)"') end
local function count(shop, name)
	local n = 0
	for _, c in ipairs(shop.calls) do n = n + (c.name == name and 1 or 0) end
	return n
end

local function policy(gw, ...)
	for path, text in pairs(rules(...)) do sys.write_file(gw.folder .. "/policies/" .. path, text) end
	gw:ok { "reload" }
end

test "a write whose answer is larger than a script can take was done, and is not done again"
local gw, key, shop = world()
local c = client(gw, key)
local text = lua(c, "shop.huge{} return 1")
expect(text):has("by_ref(")
expect(text):has("done: shop.huge (run r")
text = lua(c, "shop.huge{} return 1", run_of(text))
expect(text):has("not_kept")
expect(count(shop, "huge")):is(1)

test "a write whose answer was withheld was done, and is not done again"
local gw, key, shop = world { "redact: shop/pay\n    result: { pii: { email: block } }" }
local c = client(gw, key)
local text = lua(c, "shop.pay{} return 1")
expect(text):has("withheld")
expect(text):lacks(EMAIL)
expect(text):has("done: shop.pay (run r")
text = lua(c, "shop.pay{} return 1", run_of(text))
expect(text):has("not_kept")
expect(text):lacks(EMAIL)
expect(count(shop, "pay")):is(1)

test "what a journal has answers is redacted as the policies say now, not as they did"
local gw, key, shop = world()
local c = client(gw, key)
local code = "local t = shop.read{path = '/a'} .. shop.pay{} "
local text = lua(c, code .. "error('x')")
local id = run_of(text)
policy(gw, "allow: shop/*", "allow: code:run", "redact: shop/*\n    result: { pii: { email: mask } }")
text = lua(c, code .. "error(t)", id)
expect(text):has("of /a: ")
expect(text):lacks(EMAIL)
policy(gw, "allow: shop/*", "allow: code:run", "redact: shop/*\n    result: { all: block }")
text = lua(c, code .. "return t", id)
expect(text):lacks(EMAIL)
expect(count(shop, "pay")):is(1)
expect(count(shop, "read")):is(1)

test "an answer is not given for arguments that the policies do not allow any more"
local gw, key, shop = world(nil, { allow = "allow: shop/read", n = 3 })
local c = client(gw, key)
local code = "local t = shop.read{path = '/a'} "
local id = run_of((lua(c, code .. "error('x')")))
policy(gw, "allow: shop/read\n    when: { path: { under: /b } }", "allow: code:run")
local text, failed = lua(c, code .. "return t", id)
expect(failed):is(true)
expect(text):has("denied")
expect(text):lacks(EMAIL)
expect(count(shop, "read")):is(1)

test "a client cannot have another session's run replayed"
local gw, key, shop = world()
local id = run_of((lua(client(gw, key, "one"), "local t = shop.read{} error('x')")))
local text, failed = lua(client(gw, key, "two"), "", id, { ["tollgate/replay"] = true, ["tollgate/report"] = true })
expect(failed):is(true)
expect(text):has('there is no run "' .. id .. '" of this session')
