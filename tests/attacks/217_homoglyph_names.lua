-- class: parser
-- expect: COMPILE
-- match: unexpected symbol|syntax error|unexpected
-- note: names that look like Lua's and are written with other letters
lоcal x = 1
return tооls
