-- class: output
-- expect: OUTPUT
-- match: 65536
-- note: sixty-five thousand frames of one byte
for i = 1, 70000 do print("") end
return 1
