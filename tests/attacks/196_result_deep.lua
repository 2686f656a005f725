-- class: result
-- expect: DONE
-- match: ^64 upstream$
-- note: sixty-four levels are a value, sixty-five an error
local r, n = call("hostile deep 64", ""), 0
while type(r) == "table" do r = r[1] n = n + 1 end
local ok, e = pcall(call, "hostile deep 65", "")
return n .. " " .. e.code
