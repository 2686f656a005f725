-- class: cpu
-- expect: RUNTIME
-- match: undefined global 'debug'
-- raw: CPU
-- note: catches the end of the CPU limit in a hook of its own
debug.sethook(function() while true do end end, "", 1)
while true do end
