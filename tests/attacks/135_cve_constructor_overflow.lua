-- class: cve
-- expect: RUNTIME|OOM|DONE
-- note: upstream: a constructor with more items than SETLIST can count; all from one call
local t = {}
for i = 1, 200 do t[i] = i end
local f = function() return table.unpack(t, 1, 200) end
local big = {}
for i = 1, 900000 do big[i] = i end
local ok, r = pcall(function() return #{f(), f(), table.unpack(big)} end)
return ok and r or "refused"
