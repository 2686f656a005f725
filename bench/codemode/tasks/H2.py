import json
from collections import Counter
counts = Counter()
def walk(nodes):
    for n in nodes:
        if n["type"] == "directory":
            walk(n["children"])
        else:
            counts[n["name"].split(".")[-1]] += 1
walk(json.loads((await call_tool("filesystem_directory_tree", {"path": "@WORK@/src"}))["content"]))
return dict(counts)
