-- class: protocol
-- expect: RUNTIME
-- match: undefined global 'io'
-- raw: SECCOMP
-- note: reads the frames of the gateway in the library's place, and waits for ever
return io.read("a")
