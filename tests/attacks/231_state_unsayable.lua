-- class: state
-- expect: RUNTIME
-- state: {}
-- note: threads, functions and NaN are to be kept
S.co = coroutine.create(function() end) S.f = print S.nan = 0/0 S[{}] = 1
return 1
