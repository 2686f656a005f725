const reg = {};
for (const s of await sqlite.query({ sql: "SELECT name, version, port FROM services" })) reg[s.name] = s;
const d = await filesystem.list_directory({ path: "@WORK@/services" });
const names = d.content.split("\n").filter((l) => l.endsWith(".json")).map((l) => l.split(" ")[1]).sort();
let out = "";
for (const n of names) {
  const f = JSON.parse((await filesystem.read_text_file({ path: "@WORK@/services/" + n })).content);
  const r = reg[n.slice(0, -5)];
  if (f.version !== r.version) out += `- ${r.name}: version ${f.version}, registered ${r.version}\n`;
  if (f.http.port !== r.port) out += `- ${r.name}: port ${f.http.port}, registered ${r.port}\n`;
}
await filesystem.write_file({ path: "@WORK@/drift.md", content: out });
return out;
