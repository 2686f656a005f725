-- class: parser
-- expect: DONE
-- match: ^visible$
-- note: a comment that reads as code: what counts is what is there
local allowed = false --[[ ‮ } ⁦if allowed⁩ ⁦ begin ]]
--[[⁧ return "hidden" ⁩]] if not allowed then return "visible" end
