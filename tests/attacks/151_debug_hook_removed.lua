-- class: cpu
-- expect: RUNTIME
-- match: undefined global 'debug'
-- raw: CPU
-- note: takes away the hook of the CPU limit, for ever
while true do debug.sethook() end
