-- SPDX-License-Identifier: Apache-2.0
-- The request that wrk repeats: KIND is "messages" or "call", BYTES the body's size, KEY a virtual
-- key; 20 headers, as a coding agent sends them.
local kind, bytes, key = os.getenv("KIND"), tonumber(os.getenv("BYTES")), os.getenv("KEY")

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. key
wrk.headers["User-Agent"] = "claude-cli/2.1.330 (external, cli)"
wrk.headers["X-Claude-Code-Session-Id"] = "0b7d0a0e-6f2c-4a51-9f0e-5a7b1d2c3e4f"
if kind == "call" then
	wrk.path = "/mcp"
	wrk.headers["Accept"] = "application/json, text/event-stream"
	wrk.headers["MCP-Protocol-Version"] = "2026-07-28"
	wrk.headers["Mcp-Method"] = "tools/call"
	wrk.headers["Mcp-Name"] = "bench__echo"
	local head = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bench__echo","_meta":{' ..
		'"io.modelcontextprotocol/protocolVersion":"2026-07-28",' ..
		'"io.modelcontextprotocol/clientCapabilities":{}},"arguments":{"text":"'
	local tail = '"}}}'
	wrk.body = head .. string.rep("x", bytes - #head - #tail) .. tail
else
	wrk.path = "/anthropic/v1/messages"
	wrk.headers["Accept"] = "application/json"
	wrk.headers["anthropic-version"] = "2023-06-01"
	wrk.headers["anthropic-beta"] = "context-management-2025-06-27,interleaved-thinking-2025-05-14"
	wrk.headers["x-app"] = "cli"
	local head = '{"model":"claude-sonnet-4-6","max_tokens":100,"messages":[{"role":"user","content":"'
	local tail = '"}]}'
	-- Text with escapes in it, as source code in a string has them.
	local line = 'int x = 1; /* \\"quoted\\" */\\n'
	local room = bytes - #head - #tail
	wrk.body = head .. string.rep(line, math.floor(room / #line)) .. string.rep("x", room % #line) .. tail
end
local n = 2 -- Host and Content-Length
for _ in pairs(wrk.headers) do n = n + 1 end
for i = n + 1, 20 do wrk.headers["X-Stainless-" .. i] = "value-of-some-length-" .. i end
