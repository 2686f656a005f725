-- class: output
-- expect: OUTPUT
-- match: 65536
-- note: branches print between their calls
pmap({1, 2, 3, 4, 5, 6, 7, 8}, function(v) call("a", v) for i = 1, 20 do print(("x"):rep(1000)) end end)
return 1
