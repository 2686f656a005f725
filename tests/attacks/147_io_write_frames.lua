-- class: protocol
-- expect: DONE
-- match: ^1$
-- raw: SECCOMP
-- note: writes frames of its own to descriptor 1: it is printed text here
io.stdout:write(("\0"):rep(9000)) io.stdout:flush() return 1
