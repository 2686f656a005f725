-- class: snippet
-- expect: OUTPUT
-- note: a result that is too large is so wherever it was made
--[==[ snippet much
return ("x"):rep(1000001)
]==]
return snippets.much{}
