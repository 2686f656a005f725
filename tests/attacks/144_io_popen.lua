-- class: escape
-- expect: RUNTIME
-- match: undefined global 'io'
-- raw: SECCOMP
-- note: starts a program
return io.popen("id; touch /tmp/tollgate-attack-popen"):read("a")
