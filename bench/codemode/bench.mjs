// SPDX-License-Identifier: Apache-2.0
//
// bench - nine tasks, eleven forms, one gateway.  README.md says how to read what it prints.
//
//   node bench/codemode/bench.mjs [--real]       after sh bench/codemode/install.sh [1]
//
// Tables go to standard output, all figures to build/codemode/results.json.  Exits 1 when an answer is wrong or a
// target is missed.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { here, office, top } from "./office.mjs";
import { Conversation, sum, SYSTEM, tokenizer, tokens } from "./count.mjs";
import { doTask, MODES, partsOfOurs, warm } from "./modes.mjs";
import { searcher } from "./search.mjs";
import { total } from "./formats.mjs";

const real = process.argv.includes("--real");
const tasks = JSON.parse(readFileSync(join(here, "tasks/tasks.json"), "utf8"));
const MAX_DEFINITIONS = 480;
// What a client's own search brings is as long as the servers' definitions are: A2 is held to real ones.
const TARGETS = [["C1", "A", 0.75], ["C2", "A", 0.6], ...(real ? [["C1", "A2", 5.7], ["C2", "A2", 4.5]] : [])];
const COLUMNS = ["input", "requests", "output", "peak", "cost", "cost20k"];

const CAVEATS = `To be told with any of these figures:
* No model was run. Each form's script is right the first time; pass rates and retries are not in here.
* C2's hot set holds the tools that these tasks use, as it does for a team that does such tasks every day. A task that needs another
  tool costs a search: C1.
* A is what a client sends that has no tool search of its own, A2 what one sends that has. Classic is played as well as it can be.
* The others' definitions are counted by the length that they had in November 2026; their scripts are ours, and right the first time.
* Tokens are ${tokenizer}. Other tokenizers count up to 1.4 times as many, in each form; ratios are the result, not sums.`;

const n = (x) => Math.round(x).toLocaleString("en-US");
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((r) => `| ${r.join(" | ")} |`).join("\n");
const tools = async (client) => (await client.tools()).filter((t) => t.name === "lua" || t.name === "tools");

async function until(seconds, fn) {
	for (let i = 0; i < seconds * 4; i++) {
		const v = await fn();
		if (v) return v;
		await new Promise((done) => setTimeout(done, 250));
	}
	return null;
}

// The definitions of the team that has done the tasks, once they name every tool that the tasks need.
async function hotSet(o) {
	const needs = [...new Set(tasks.flatMap((t) => t.needs))];
	const has = (t) => needs.every((name) => t.description.includes(`\n${name}{`));
	await warm(o, tasks, o.client("hot"));
	return until(15, async () => {
		o.settled = o.again();
		const defs = await tools(o.settled);
		return has(defs.find((t) => t.name === "lua")) && defs;
	});
}

async function signatures(o) {
	const out = {};
	for (const name of new Set(tasks.flatMap((t) => t.needs))) {
		const text = (await o.searching.call("tools", { query: name })).content[0].text;
		out[name] = text.split("\n").find((l) => l.startsWith(name + "{")).replace(/ {2}-- .*/, "");
	}
	return out;
}

function perTask(w, records, modes) {
	return modes.map((m) => [m, records.map((r) => {
		const v = new Conversation(MODES[m].definitions(w, r), w.neutral(r.prompt));
		MODES[m].turns(w, r, v, null);
		return v.end(r.task.says).totals();
	})]);
}

function oneConversation(w, records, modes) {
	return modes.filter((m) => m !== "M").map((m) => {
		const v = new Conversation(MODES[m].definitions(w));
		const seen = new Set();
		for (const r of records) {
			v.says(w.neutral(r.prompt));
			MODES[m].turns(w, r, v, seen);
			v.end(r.task.says);
		}
		return [m, v.totals()];
	});
}

// Where our input goes; a sum that is not the counted one would be a table of something else.
function partsTable(w, records, counted) {
	const all = records.map((r) => partsOfOurs(w, r));
	const modes = Object.keys(all[0]);
	const kinds = Object.keys(all[0].C1);
	const row = (name, m, list) => [name, m, ...kinds.map((k) => n(sum(list, (p) => p[k]))), n(sum(list, (p) => sum(kinds, (k) => p[k])))];
	for (const m of modes)
		counted.find(([c]) => c === m)[1].forEach((t, i) => {
			const made = sum(kinds, (k) => all[i][m][k]);
			if (made !== t.input) throw new Error(`${m} of ${records[i].task.id} is made of ${made} tokens, not of ${t.input}`);
		});
	return table(["task", "form", ...kinds, "input"], [...modes.flatMap((m) => [...records.map((r, i) => row(r.task.id, m, [all[i][m]])),
		row("**total**", m, all.map((p) => p[m]))])]);
}

function report(w, o, records, counted, together) {
	const modes = counted.map(([m]) => m);
	const totals = Object.fromEntries(counted.map(([m, list]) => [m, Object.fromEntries(COLUMNS.map((c) => [c, sum(list, (x) => x[c])]))]));
	const out = [];
	out.push(`${w.servers.length} ${real ? "npm" : "bundled"} servers with ${w.catalogue.length} tools, ${n(total(w.catalogue))} tokens of ` +
		`definitions; the nine tasks make ${sum(records, (r) => r.ours.calls)} calls, whose results are ` +
		`${n(sum(records, (r) => sum(r.py.calls, (c) => tokens(w.neutral(c.text)))))} tokens. Every answer was right in every form.`, "");
	out.push("Input tokens of each task, summed over its model requests:", "");
	const rows = records.map((r, i) => [r.task.id, ...counted.map(([, list]) => n(list[i].input))]);
	for (const c of COLUMNS)
		rows.push([c === "input" ? "**total**" : c, ...modes.map((m) => n(totals[m][c]))],
			...(c === "input" || c === "cost" ? [[`% of A`, ...modes.map((m) => (100 * totals[m][c] / totals.A[c]).toFixed(2))]] : []));
	out.push(table(["task", ...modes], rows), "");
	out.push(modes.map((m) => `${m}: ${MODES[m].title}`).join("; ") + `. cost: input 1, cache write 1.25, cache read 0.1, output 5; ` +
		`cost20k: with ${n(SYSTEM)} tokens of system prompt.`, "");
	out.push("What our input is made of (definitions, hot set, prompt and search once for each request that carries them):", "");
	out.push(partsTable(w, records, counted), "");
	out.push("All nine tasks in one conversation (what was found once is not searched for again):", "");
	out.push(table(["form", ...COLUMNS.filter((c) => c !== "output")],
		together.map(([m, t]) => [`${m} ${MODES[m].title}`, ...COLUMNS.filter((c) => c !== "output").map((c) => n(t[c]))])), "");
	const again = records.filter((r) => r.search.more.length);
	if (again.length) out.push(`A second search was needed, and is counted: ${again.map((r) => `${r.task.id} for ${r.search.more.map((m) => m.query)}`).join("; ")}.`, "");
	if (o.failed.length) out.push(`Did not start: ${o.failed.join(", ")}.`, "");
	return { text: out.join("\n"), totals };
}

function verdicts(w, totals) {
	const rows = TARGETS.filter(([m]) => totals[m]).map(([m, of, max]) => {
		const at = 100 * totals[m].input / totals[of].input;
		return { what: `${m} of ${of}, input tokens`, at: at.toFixed(2) + " %", target: `<= ${max} %`, met: at <= max };
	});
	const defs = MODES.C1.definitions(w);
	rows.unshift({ what: "the two definitions, without a hot set", at: `${defs} tokens`, target: `<= ${MAX_DEFINITIONS}`, met: defs <= MAX_DEFINITIONS });
	const described = Math.max(...[...w.freshTools, ...(w.hotTools ?? [])].map((t) => Buffer.byteLength(t.description)));
	rows.push({ what: "longest description", at: `${described} bytes`, target: "<= 2048", met: described <= 2048 });
	if (!w.hotTools) rows.push({ what: "C2: a hot set with the tools of all tasks", at: "not there", target: "there", met: false });
	return rows;
}

const o = await office(real);
try {
	o.searching = o.client("search");
	const freshTools = await tools(o.searching);
	o.hotTools = await hotSet(o);
	const w = { catalogue: o.catalogue, servers: [...new Set(o.catalogue.map((e) => e.server))], neutral: o.neutral,
		find: searcher(o.catalogue), freshTools, hotTools: o.hotTools, signatures: await signatures(o) };
	const records = [];
	for (const task of tasks) records.push(await doTask(o, task));
	const modes = Object.keys(MODES).filter((m) => !MODES[m].hot || w.hotTools);
	const counted = perTask(w, records, modes);
	const together = oneConversation(w, records, modes);
	const { text, totals } = report(w, o, records, counted, together);
	const judged = verdicts(w, totals);
	console.log(text);
	console.log(table(["what", "figure", "target", ""], judged.map((v) => [v.what, v.at, v.target, v.met ? "met" : "missed"])));
	console.log("\n" + CAVEATS);
	if (real) console.log("\n" + table(["server", "tools", "bytes", "sha256 of its list"], o.hashes().map((h) => [h.server, h.tools, n(h.bytes), h.sha256])));
	writeFileSync(join(top, "build/codemode", real ? "results-real.json" : "results.json"), JSON.stringify({ tokenizer, real,
		tools: w.catalogue.length, definitions: total(w.catalogue), servers: o.hashes(), failed: o.failed,
		tasks: Object.fromEntries(counted.map(([m, list]) => [m, Object.fromEntries(list.map((t, i) => [records[i].task.id, t]))])),
		totals, together: Object.fromEntries(together), judged }, null, "\t") + "\n");
	if (judged.some((v) => !v.met)) process.exitCode = 1;
} finally {
	await o.close();
}
