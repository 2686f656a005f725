-- class: cve
-- expect: OOM|RUNTIME
-- note: one concatenation whose length passes every limit
local s = ("x"):rep(2^24)
return #(s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s)
