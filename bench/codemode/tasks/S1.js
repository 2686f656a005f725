const r = await filesystem.list_directory({ path: "@WORK@/logs" });
return r.content.split("\n").filter((l) => l.endsWith(".log")).length;
