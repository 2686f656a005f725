import asyncio
import re
d = await call_tool("filesystem_list_directory", {"path": "@WORK@/notes"})
files = [l[7:] for l in d["content"].split("\n") if l.endswith(".md")]
people = {}
for t in await asyncio.gather(*[call_tool("filesystem_read_text_file", {"path": "@WORK@/notes/" + f}) for f in files]):
    for who, task, due in re.findall(r"- \[(.+?)\] (.+?) by (\S+)", t["content"]):
        people.setdefault(who, []).append(f"{task} (due {due})")
await call_tool("memory_create_entities", {"entities": [{"name": p, "entityType": "person", "observations": o} for p, o in people.items()]})
return {p: len(o) for p, o in people.items()}
