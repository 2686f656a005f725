-- class: escape
-- expect: RUNTIME
-- match: undefined global 'os.exit'
-- raw: CRASH|SECCOMP
-- note: ends without a last frame, with the status of a clean end
os.exit(true, true)
