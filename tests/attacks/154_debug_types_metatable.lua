-- class: metatable
-- expect: RUNTIME
-- match: undefined global 'debug'
-- raw: DONE|RUNTIME|OOM|CPU|CRASH
-- note: gives nil, numbers, functions and null a metatable
for _, v in ipairs{1, true, print, "x", coroutine.create(print), null} do
	debug.setmetatable(v, {__index = function(_, k) return k end, __call = function() return 1 end, __gc = print, __len = function() return 2^62 end})
end
debug.setmetatable(nil, {__index = function() return nil end, __call = function() end})
return json.encode{1, null, pcall(pmap, {1, 2}, function(v) return call("a", v) end)}
