r = await call_tool("filesystem_list_directory", {"path": "@WORK@/logs"})
return len([l for l in r["content"].split("\n") if l.endswith(".log")])
