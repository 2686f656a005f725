import asyncio
import json
reg = {s["name"]: s for s in await call_tool("sqlite_query", {"sql": "SELECT name, version, port FROM services"})}
d = await call_tool("filesystem_list_directory", {"path": "@WORK@/services"})
names = sorted([l.split(" ")[1] for l in d["content"].split("\n") if l.endswith(".json")])
files = await asyncio.gather(*[call_tool("filesystem_read_text_file", {"path": "@WORK@/services/" + n}) for n in names])
out = ""
for n, t in zip(names, files):
    f, r = json.loads(t["content"]), reg[n[:-5]]
    if f["version"] != r["version"]:
        out += f"- {r['name']}: version {f['version']}, registered {r['version']}\n"
    if f["http"]["port"] != r["port"]:
        out += f"- {r['name']}: port {f['http']['port']}, registered {r['port']}\n"
await call_tool("filesystem_write_file", {"path": "@WORK@/drift.md", "content": out})
return out
