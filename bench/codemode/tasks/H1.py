import asyncio
import re
from collections import Counter
d = await call_tool("filesystem_list_directory", {"path": "@WORK@/logs"})
files = [l[7:] for l in d["content"].split("\n")]
codes, per = Counter(), Counter()
texts = await asyncio.gather(*[call_tool("filesystem_read_text_file", {"path": "@WORK@/logs/" + f}) for f in files])
for f, t in zip(files, texts):
    found = re.findall(r" ERROR \[.*?\] (\w+)", t["content"])
    codes.update(found)
    per[f] = len(found)
text = "# Errors\n\n" + "\n".join(f"- {c}: {codes[c]}" for c in sorted(codes)) + "\n\nWorst files: " + ", ".join(f"{f} ({n})" for f, n in per.most_common(3)) + "\n"
await call_tool("filesystem_write_file", {"path": "@WORK@/errors.md", "content": text})
return text
