-- class: state
-- expect: RUNTIME
-- match: contains itself|nested deeper|deeper than
-- state: {}
-- note: what is kept for the next script contains itself
S.list = {S} S.self = S
return 1
