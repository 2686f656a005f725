-- class: escape
-- expect: RUNTIME
-- match: undefined global 'os.getenv'
-- raw: DONE
-- note: the environment of the gateway holds its keys
return (os.getenv("PATH") or "") .. (os.getenv("HOME") or "") .. "|"
