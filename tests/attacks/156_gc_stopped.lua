-- class: memory
-- expect: RUNTIME
-- match: undefined global 'collectgarbage'
-- raw: OOM|CPU
-- note: garbage that is never collected
collectgarbage("stop")
while true do local t = {{}, {}, {}} end
