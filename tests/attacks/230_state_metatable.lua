-- class: state
-- expect: DONE
-- match: ^1$
-- state: {"b":[1,null,{}]}
-- note: what is kept lies about its length, its keys and its name
setmetatable(S, {__index = function(_, k) return k end, __len = function() return 2^53 end,
	__pairs = function() error("no") end, __tostring = function() error("no") end, __name = {}})
S.a = 1
return S.a
