const codes = {}, per = {};
const d = await filesystem.list_directory({ path: "@WORK@/logs" });
for (const f of d.content.split("\n").map((l) => l.slice(7))) {
  const t = (await filesystem.read_text_file({ path: "@WORK@/logs/" + f })).content;
  for (const [, c] of t.matchAll(/ ERROR \[.*?\] (\w+)/g)) {
    codes[c] = (codes[c] || 0) + 1;
    per[f] = (per[f] || 0) + 1;
  }
}
const worst = Object.entries(per).sort((a, b) => b[1] - a[1]).slice(0, 3);
const text = `# Errors\n\n${Object.keys(codes).sort().map((c) => `- ${c}: ${codes[c]}`).join("\n")}\n\nWorst files: ${worst.map(([f, n]) => `${f} (${n})`).join(", ")}\n`;
await filesystem.write_file({ path: "@WORK@/errors.md", content: text });
return text;
