-- class: escape
-- expect: RUNTIME
-- match: undefined global 'io'
-- raw: SECCOMP
-- note: reads what the gateway's user can read
for l in io.lines("/etc/passwd") do return l end
