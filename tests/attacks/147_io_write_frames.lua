-- class: protocol
-- expect: RUNTIME
-- match: undefined global 'io'
-- raw: SECCOMP
-- note: writes frames of its own to descriptor 1 and 2
io.stdout:write(("\0"):rep(9000)) io.stdout:flush() return 1
