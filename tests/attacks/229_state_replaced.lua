-- class: state
-- expect: RUNTIME
-- match: S is a table
-- state: {}
-- note: the table that is kept becomes a function
S = print
return 1
