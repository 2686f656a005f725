-- class: escape
-- expect: RUNTIME
-- match: undefined global 'os.(tmpname|rename)'
-- raw: SECCOMP
-- note: makes, moves and removes files
os.rename("tests/attacks/README.md", "/tmp/tollgate-attack-moved") os.remove("tests/attacks/001_env_os_execute.lua") return os.tmpname()
