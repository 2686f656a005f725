-- class: cve
-- expect: DONE
-- match: ^(true|false) 2147483647$
-- note: 5.4.4: utf8.codes accepts stray continuation bytes; lax decoding of six-byte sequences
local ok = pcall(function() for p, c in utf8.codes("a\x80\x80") do end end)
local s = utf8.char(0x7fffffff)
return tostring(ok) .. " " .. utf8.codepoint(s, 1, 1, true)
