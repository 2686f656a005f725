-- class: codec
-- expect: DONE
-- match: ^ok$
-- note: arrays with one element far out are not walked
local t = array{} t[1] = 1 t[2^40] = 1 t[math.maxinteger] = 2
local u = {[1] = 1, [2^62] = 2, [-5] = 3, [math.mininteger] = 4}
json.encode(t) json.encode(u) print(t, u)
return "ok"
