-- class: state
-- expect: RUNTIME
-- match: S (has|is larger)
-- state: {}
-- note: a megabyte is to be kept
for i = 1, 1000 do S["k" .. i] = ("x"):rep(1000) end
return "kept"
