-- class: escape
-- expect: RUNTIME
-- match: undefined global 'io'
-- raw: SECCOMP
-- note: creates a file
local f = assert(io.open("/tmp/tollgate-attack-written", "w"))
f:write("here") f:close() return "written"
