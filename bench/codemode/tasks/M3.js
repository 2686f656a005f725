const people = {};
const d = await filesystem.list_directory({ path: "@WORK@/notes" });
for (const l of d.content.split("\n").filter((l) => l.endsWith(".md"))) {
  const t = (await filesystem.read_text_file({ path: "@WORK@/notes/" + l.slice(7) })).content;
  for (const [, who, task, due] of t.matchAll(/- \[(.+?)\] (.+?) by (\S+)/g)) (people[who] ||= []).push(`${task} (due ${due})`);
}
await memory.create_entities({ entities: Object.entries(people).map(([name, observations]) => ({ name, entityType: "person", observations })) });
return Object.fromEntries(Object.entries(people).map(([p, o]) => [p, o.length]));
