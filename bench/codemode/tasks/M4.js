const log = await git.git_log({ path: "@REPO@", branch: "v0.1.0..HEAD", maxCount: 200 });
const groups = {};
for (const c of log.commits) {
  const [, t, scope, subj] = c.subject.match(/^(\w+)\((.+?)\): (.+)$/);
  (groups[t] ||= []).push(`- ${scope}: ${subj}`);
}
let text = "# Changelog\n";
for (const t of Object.keys(groups).sort()) text += `\n## ${t}\n\n${groups[t].join("\n")}\n`;
await filesystem.write_file({ path: "@WORK@/CHANGELOG.md", content: text });
return Object.fromEntries(Object.entries(groups).map(([t, g]) => [t, g.length]));
