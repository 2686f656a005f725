-- class: result
-- expect: DONE|OOM
-- match: ^1000000$|memory
-- note: a list of a million numbers
return #call("hostile wide", "")
