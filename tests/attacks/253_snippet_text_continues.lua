-- class: snippet
-- expect: RUNTIME
-- match: snippets.sly:1: unexpected symbol near '(,|')
-- note: a text that would go on with the line that stands before it
--[==[ snippet sly
, leaked or 1; return args
]==]
leaked = {v = "the script's"}
return snippets.sly{}
