// SPDX-License-Identifier: Apache-2.0
//
// classic - the same tasks as a model does them without scripts, played as well as can be: calls that do not
// need one another in one turn, several files in one call, SQL that aggregates.  Each step is given what the
// last one told and all so far as texts; `answer` is what the model would then know.
const lines = (s) => s.split("\n").filter(Boolean);
const service = (w, n) => `${w}/services/${n}.json`;
const split = (text) => text.split("\n---\n").map((part) => [part.slice(0, part.indexOf(":\n")), part.slice(part.indexOf(":\n") + 2)]);

function drift(rows, files) {
	const out = [];
	for (const r of rows.sort((a, b) => (a.name < b.name ? -1 : 1))) {
		const f = JSON.parse(files.find(([path]) => path.endsWith(`/${r.name}.json`))[1]);
		if (f.version !== r.version) out.push(`- ${r.name}: version ${f.version}, registered ${r.version}\n`);
		if (f.http.port !== r.port) out.push(`- ${r.name}: port ${f.http.port}, registered ${r.port}\n`);
	}
	return out.join("");
}

function mismatches([csv, rows]) {
	const invoiced = Object.fromEntries(lines(csv).slice(1).map((l) => l.split(",").map(Number)));
	return JSON.parse(rows).map((r) => [r.customer_id, invoiced[r.customer_id], r.paid]).filter(([, a, b]) => a !== b);
}

function actions(files) {
	const people = {};
	for (const [, text] of split(files))
		for (const [, who, task, due] of text.matchAll(/- \[(.+?)\] (.+?) by (\S+)/g))
			(people[who] ??= []).push(`${task} (due ${due})`);
	return people;
}

function byKind(log) {
	const groups = {};
	for (const c of JSON.parse(log).commits) {
		const [, kind, scope, subject] = c.subject.match(/^(\w+)\((.+?)\): (.+)$/);
		(groups[kind] ??= []).push(`- ${scope}: ${subject}`);
	}
	return groups;
}

function errors(files) {
	const codes = {};
	const per = split(files).map(([path, text]) => {
		const found = [...text.matchAll(/ ERROR \[.*?\] (\w+)/g)].map((m) => m[1]);
		for (const c of found) codes[c] = (codes[c] ?? 0) + 1;
		return [path.split("/").pop(), found.length];
	}).sort((a, b) => b[1] - a[1]);
	return `# Errors\n\n${Object.keys(codes).sort().map((c) => `- ${c}: ${codes[c]}\n`).join("")}\nWorst files: ` +
		per.slice(0, 3).map(([f, n]) => `${f} (${n})`).join(", ") + "\n";
}

function extensions(nodes, counts = {}) {
	for (const n of nodes) {
		if (n.type === "directory") extensions(n.children, counts);
		else counts[n.name.split(".").pop()] = (counts[n.name.split(".").pop()] ?? 0) + 1;
	}
	return counts;
}

const names = (listing, dir) => lines(listing).map((l) => `${dir}/${l.split(" ")[1]}`);
const list = (dir) => ["filesystem", "list_directory", { path: dir }];
const read = (paths) => ["filesystem", "read_multiple_files", { paths }];
const write = (path, content) => ["filesystem", "write_file", { path, content }];
const sql = (text) => ["sqlite", "query", { sql: text }];
const csv = (rows) => "id,customer_id,total_cents,placed_at\n" +
	rows.map((r) => [r.id, r.customer_id, r.total_cents, r.placed_at].join(",") + "\n").join("");

// (work, repo) -> steps, and the answer from all texts
export const classic = (w, repo) => ({
	S1: { steps: [() => [list(`${w}/logs`)]], answer: ([d]) => lines(d).filter((l) => l.endsWith(".log")).length },
	S2: { steps: [() => [sql("SELECT owner FROM services WHERE name='billing'")]], answer: ([r]) => JSON.parse(r) },
	M1: { steps: [
		() => [sql("SELECT name, version, port FROM services"), list(`${w}/services`)],
		([rows]) => [read(JSON.parse(rows).map((r) => service(w, r.name)))],
		([rows, , files]) => [write(`${w}/drift.md`, drift(JSON.parse(rows), split(files)))],
	], answer: ([rows, , files]) => drift(JSON.parse(rows), split(files)) },
	M2: { steps: [
		() => [["filesystem", "read_text_file", { path: `${w}/invoices.csv` }]],
		([text]) => [sql("SELECT customer_id, SUM(total_cents) AS paid FROM orders WHERE status='paid' AND customer_id IN (" +
			lines(text).slice(1).map((l) => l.split(",")[0]).join(",") + ") GROUP BY customer_id")],
		() => [sql("CREATE TABLE discrepancies (customer_id INTEGER, invoiced_cents INTEGER, paid_cents INTEGER)")],
		(all) => [sql("INSERT INTO discrepancies VALUES " + mismatches(all).map((r) => `(${r.join(",")})`).join(","))],
	], answer: (all) => ({ count: mismatches(all).length, diff_cents: mismatches(all).reduce((a, r) => a + r[1] - r[2], 0) }) },
	M3: { steps: [
		() => [list(`${w}/notes`)],
		([d]) => [read(names(d, `${w}/notes`))],
		([, files]) => [["memory", "create_entities", { entities: Object.entries(actions(files))
			.map(([name, observations]) => ({ name, entityType: "person", observations })) }]],
	], answer: ([, files]) => Object.fromEntries(Object.entries(actions(files)).map(([p, o]) => [p, o.length])) },
	M4: { steps: [
		() => [["git", "git_log", { path: repo, branch: "v0.1.0..HEAD", maxCount: 200 }]],
		([log]) => [write(`${w}/CHANGELOG.md`, "# Changelog\n" + Object.entries(byKind(log)).sort()
			.map(([kind, l]) => `\n## ${kind}\n\n${l.join("\n")}\n`).join(""))],
	], answer: ([log]) => Object.fromEntries(Object.entries(byKind(log)).map(([kind, l]) => [kind, l.length])) },
	H1: { steps: [
		() => [list(`${w}/logs`)],
		([d]) => [read(names(d, `${w}/logs`))],
		([, files]) => [write(`${w}/errors.md`, errors(files))],
	], answer: ([, files]) => errors(files) },
	H2: { steps: [() => [["filesystem", "directory_tree", { path: `${w}/src` }]]], answer: ([t]) => extensions(JSON.parse(t)) },
	H3: { steps: [
		() => [sql("SELECT id, customer_id, total_cents, placed_at FROM orders WHERE status='paid'")],
		([rows]) => [write(`${w}/paid.csv`, csv(JSON.parse(rows)))],
	], answer: ([rows]) => JSON.parse(rows).length },
});
