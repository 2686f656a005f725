-- class: escape
-- expect: RUNTIME
-- match: undefined global 'package'
-- raw: SECCOMP|CRASH|DONE|RUNTIME
-- note: loads a shared object
package.cpath = "/usr/lib/x86_64-linux-gnu/?.so.6;/lib/x86_64-linux-gnu/?.so.6"
return tostring(package.loadlib("/lib/x86_64-linux-gnu/libc.so.6", "system"))
