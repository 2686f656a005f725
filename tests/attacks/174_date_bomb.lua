-- class: library
-- expect: CPU|OOM|RUNTIME
-- raw: CPU|OOM|RUNTIME|DONE|SECCOMP
-- note: a format of a million conversions, each of seven others
return #os.date(("%c"):rep(1000000))
