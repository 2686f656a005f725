-- class: cve
-- expect: RUNTIME
-- match: undefined global 'load'
-- raw: DONE|RUNTIME|CPU
-- note: CVE-2025-49844: a chunk name collected while its chunk is parsed; needs load and collectgarbage
local s = ("x = 1 "):rep(20000)
for i = 1, 50 do
	local f = load(function() collectgarbage() local p = s s = nil return p end, ("n"):rep(1000) .. i)
end
return "survived"
