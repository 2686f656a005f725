-- class: cve
-- expect: RUNTIME
-- match: attempt to call a nil value \(field 'packsize'\)
-- note: upstream: packsize adds up past the limit of its type
return string.packsize(("i16"):rep(100) .. "s" .. ("!16 Xi16 "):rep(10000) .. "c2147483647")
