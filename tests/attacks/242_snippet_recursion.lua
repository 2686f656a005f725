-- class: snippet
-- expect: DONE
-- match: ^16 too_deep 0$
-- note: snippets call one another 16 deep, whatever is caught on the way, and whose function is called
--[==[ snippet down
local n = (args.v or 0) + 1
local ok, r = pcall(snippets.down, {v = n})
if ok then return r end
local again, e = pcall(call, "snippets.Down", {v = n})
return {n = n, code = not again and e.code or r.code}
]==]
local r = snippets.down{}
return r.n .. " " .. r.code .. " " .. #keys(rawget(_ENV, "down") or {})
