-- class: state
-- expect: DONE|RUNTIME|CPU|OOM
-- state: {"old":{"deep":[[[[1]]]]}}
-- note: a hundred thousand keys, removed and added again until the end
for i = 1, 100000 do S[i] = i end
for k in pairs(S) do S[k] = nil end
S.n = 1
return S.n
