import re
log = await call_tool("git_git_log", {"path": "@REPO@", "branch": "v0.1.0..HEAD", "maxCount": 200})
groups = {}
for c in log["commits"]:
    t, scope, subj = re.match(r"(\w+)\((.+?)\): (.+)", c["subject"]).groups()
    groups.setdefault(t, []).append(f"- {scope}: {subj}")
text = "# Changelog\n" + "".join(f"\n## {t}\n\n" + "\n".join(groups[t]) + "\n" for t in sorted(groups))
await call_tool("filesystem_write_file", {"path": "@WORK@/CHANGELOG.md", "content": text})
return {t: len(g) for t, g in groups.items()}
