-- class: text
-- expect: DONE
-- match: ^32 false
-- note: as many captures as there can be, of a long text, and one more
local s = ("a"):rep(1000000)
local n = select("#", s:match(("()"):rep(32)))
local ok = pcall(string.match, s, ("(a*)"):rep(33))
return n .. " " .. tostring(ok)
