-- SPDX-License-Identifier: Apache-2.0
-- policies/examples: each is a whole configuration that starts as it stands, has nothing to say against,
-- and whose tests pass and reach every rule.

local BINARY = (os.getenv("B") or "build") .. "/tollgate"

local function run(...)
	local words = { BINARY, ... }
	local p = io.popen(table.concat(words, " ") .. " 2>&1; echo \"exit $?\"")
	local out = p:read("a")
	p:close()
	return out, tonumber(out:match("exit (%d+)\n$"))
end

test "every example is checked, linted strictly, and its tests pass and cover each rule"
local n = 0
for dir in io.popen("ls -d policies/examples/*/"):lines() do
	local config = dir .. "tollgate.yaml"
	local out, code = run("check", "-c", config)
	expect(out):has("ok: ")
	expect(code):is(0)
	out, code = run("policy", "lint", "--strict", "-c", config)
	expect(out):matches("ok\n.*exit 0\n$")
	out, code = run("policy", "test", "--cover", "-c", config)
	expect(code):is(0)
	local covered, all = out:match("# cover: (%d+) of (%d+) rules")
	expect(covered):is(all)
	expect(tonumber(out:match("1%.%.(%d+)")) >= 5):is(true)
	n = n + 1
end
expect(n):is(4)
