-- class: cve
-- expect: RUNTIME
-- match: attempt to call a nil value \(field 'close'\)
-- note: upstream 3fe7be95: coroutine.close calls a message handler at an offset of a stack that has shrunk
local function deep(n) if n > 0 then return (deep(n - 1)) end xpcall(coroutine.yield, function(m) return m end) end
local co = coroutine.create(function()
	local c <close> = setmetatable({}, {__close = function() collectgarbage() collectgarbage() error("boom") end})
	deep(15000)
end)
coroutine.resume(co)
return coroutine.close(co)
