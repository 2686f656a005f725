// SPDX-License-Identifier: Apache-2.0
//
// modes - does each task in each form, checks answer and effect, and keeps what is needed to count it.
//
//   const done = await doAll(office, tasks)      one record per task
//   MODES[name] = { title, definitions(world), conversation(world, record, seen) }
//     seen: what this conversation has been told before (null: a conversation of its own for each task)
import { isDeepStrictEqual } from "node:util";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { here, textOf } from "./office.mjs";
import { sum, tokens, use } from "./count.mjs";
import { bifrost, classicDefinition, cloudflare, deferredNames, fastmcp, total, TOOL_SEARCH } from "./formats.mjs";
import { runJs, runPython } from "./run.mjs";
import { classic } from "./tasks/classic.mjs";

const sorted = (v) => v && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v;

// ---- doing the tasks ----

async function checkEffect(o, task, mode) {
	const e = task.effect;
	const fail = (why) => {
		throw new Error(`${task.id} in ${mode}: ${why}`);
	};
	if (e?.file) {
		const text = readFileSync(join(o.work, e.file), "utf8");
		const n = text.split("\n").length - 1;
		if (n !== e.lines) fail(`${e.file} has ${n} lines, not ${e.lines}`);
		for (const part of e.has) if (!text.includes(part)) fail(`${e.file} lacks ${part}`);
	} else if (e?.sql) {
		const rows = JSON.parse(textOf(await o.hand("sqlite", "query", { sql: e.sql })));
		if (!isDeepStrictEqual(rows, e.rows)) fail(`${e.sql} gave ${JSON.stringify(rows)}`);
	} else if (e) {
		const r = await o.hand("memory", "read_graph", {});
		const { entities } = r.structuredContent ?? JSON.parse(textOf(r));
		const observations = sum(entities, (n) => n.observations.length);
		if (entities.length !== e.entities || observations !== e.observations)
			fail(`${entities.length} entities with ${observations} observations`);
	}
}

// Runs one form of a task from fresh data, and compares what came of it.
async function checked(o, task, mode, run) {
	await o.reset();
	let r;
	try {
		r = await run();
	} catch (e) {
		throw new Error(`${task.id} in ${mode}: ${e.message}`);
	}
	if (!isDeepStrictEqual(sorted(r.value), sorted(task.answer)))
		throw new Error(`${task.id} in ${mode}: the answer is ${JSON.stringify(r.value)}, not ${JSON.stringify(task.answer)}`);
	await checkEffect(o, task, mode);
	return r;
}

async function runClassic(o, task) {
	const { steps, answer } = classic(o.work, o.repo)[task.id];
	const texts = [];
	const turns = [];
	for (const step of steps) {
		const calls = step(texts);
		const told = await Promise.all(calls.map(async (c) => {
			const r = await o.hand(...c);
			if (r.isError) throw new Error(`${c[1]}: ${textOf(r)}`);
			return textOf(r);
		}));
		texts.push(...told);
		turns.push({ calls, told });
	}
	return { value: answer(texts), turns };
}

async function runOurs(client, code) {
	const r = await client.call("lua", { code }, { "tollgate/report": true });
	if (r.isError) throw new Error(textOf(r));
	return { value: r._meta["tollgate/report"].value, calls: r._meta["tollgate/report"].calls, text: textOf(r) };
}

async function ask(client, query) {
	return textOf(await client.call("tools", { query }));
}

// The search, and a second one for what it did not find.
async function findOurs(client, task) {
	const found = await ask(client, task.query);
	const missing = task.needs.filter((n) => !`\n${found}`.includes(`\n${n}{`));
	const more = await Promise.all(missing.map(async (n) => ({ query: n, found: await ask(client, n) })));
	return { found, more };
}

export async function doTask(o, task) {
	const code = (kind) => readFileSync(join(here, "tasks", `${task.id}.${kind}`), "utf8").trimEnd()
		.replaceAll("@WORK@", o.work).replaceAll("@REPO@", o.repo);
	const codes = { lua: code("lua"), star: code("star"), py: code("py"), js: code("js") };
	return {
		task, codes, prompt: task.prompt.replaceAll("@WORK@", o.work).replaceAll("@REPO@", o.repo),
		classic: await checked(o, task, "classic", () => runClassic(o, task)),
		star: await checked(o, task, "Bifrost", () => runPython(o, "star", codes.star)),
		py: await checked(o, task, "FastMCP", () => runPython(o, "py", codes.py)),
		js: await checked(o, task, "Cloudflare", () => runJs(o, codes.js)),
		search: await findOurs(o.searching, task),
		ours: await checked(o, task, "ours with a search", () => runOurs(o.searching, codes.lua)),
		hot: o.hotTools && await checked(o, task, "ours with the hot set", () => runOurs(o.settled, codes.lua)),
	};
}

// Does every task once for the team whose usage makes the hot set.
export async function warm(o, tasks, client) {
	for (const task of tasks) {
		const code = readFileSync(join(here, "tasks", task.id + ".lua"), "utf8").replaceAll("@WORK@", o.work).replaceAll("@REPO@", o.repo);
		await checked(o, task, "the warm-up", () => runOurs(client, code));
	}
}

// ---- counting them ----

// Those that this conversation was not told of before; it has been from now on.
function fresh(seen, names) {
	if (!seen) return names;
	const out = names.filter((n) => !seen.has(n));
	out.forEach((n) => seen.add(n));
	return out;
}

const entryOf = (w, name) => w.catalogue.find((e) => `${e.server}.${e.tool.name}` === name);
const usedByClassic = (r) => [...new Set(r.classic.turns.flatMap((t) => t.calls.map(([s, n]) => `${s}.${n}`)))];
const usedBy = (run) => [...new Set(run.calls.map((c) => `${c.server}.${c.tool}`))];

function classicTurns(w, r, v) {
	for (const t of r.classic.turns)
		v.turn(sum(t.calls, ([s, n, a]) => tokens(w.neutral(JSON.stringify({ name: `${s}__${n}`, input: a })))),
			sum(t.told, (text) => tokens(w.neutral(text))));
}

function toolSearch(w, r, v, seen) {
	const need = fresh(seen, usedByClassic(r));
	if (need.length === 0) return;
	const entries = [...new Set([...need.map((n) => entryOf(w, n)), ...w.find(r.task.query, 5)])].slice(0, Math.max(5, need.length));
	if (seen) entries.forEach((e) => seen.add(`${e.server}.${e.tool.name}`));
	v.turn(use("ToolSearch", { query: r.task.query }), sum(entries, (e) => tokens(classicDefinition(e))));
}

const script = (w, name, code) => tokens(w.neutral(JSON.stringify({ name, input: { code } })));

const bifrostTurns = (byTool, echo) => (w, r, v, seen) => {
	if (fresh(seen, ["list"]).length) v.turn(use("listToolFiles", {}), bifrost.list(w.catalogue, byTool));
	const used = usedBy(r.star);
	const files = fresh(seen, byTool ? used : [...new Set(used.map((n) => n.split(".")[0]))]);
	if (files.length)
		v.turn(sum(files, (f) => use("readToolFile", { fileName: `servers/${f.replace(".", "/")}.pyi` })),
			sum(files, (f) => bifrost.file(byTool ? [entryOf(w, f)] : w.catalogue.filter((e) => e.server === f))));
	v.turn(script(w, "executeToolCode", r.codes.star), bifrost.result(r.star, echo, w.neutral, w.servers));
};

function fastmcpTurns(w, r, v, seen) {
	const used = fresh(seen, usedBy(r.py));
	if (used.length) {
		v.turn(use("search", { query: r.task.query, limit: 8 }), tokens(fastmcp.hits(w.find(r.task.query, 8), w.catalogue.length)));
		v.turn(use("get_schema", { tools: used.map((n) => n.replace(".", "_")) }),
			tokens(used.map((n) => fastmcp.schema(entryOf(w, n))).join("\n\n")));
	}
	v.turn(script(w, "execute", r.codes.py), tokens(w.neutral(JSON.stringify(r.py.value))));
}

const cloudflareTurns = (withCalls) => (w, r, v, seen) => {
	const used = fresh(seen, usedBy(r.js));
	if (used.length)
		v.turn(use("codemode", { code: cloudflare.discovery(r.task.query) }),
			tokens(cloudflare.found(used.map((n) => entryOf(w, n)))));
	v.turn(script(w, "codemode", `async () => {\n${r.codes.js}\n}`), tokens(w.neutral(cloudflare.result(r.js, withCalls))));
};

function searchTurns(w, r, v, seen) {
	if (fresh(seen, r.task.needs).length) {
		v.turn(use("tools", { query: r.task.query }), tokens(r.search.found));
		if (r.search.more.length)
			v.turn(sum(r.search.more, (m) => use("tools", { query: m.query })), sum(r.search.more, (m) => tokens(m.found)));
	}
	v.turn(script(w, "lua", r.codes.lua), tokens(w.neutral(r.ours.text)));
}

const hotTurns = (w, r, v) => v.turn(script(w, "lua", r.codes.lua), tokens(w.neutral(r.hot.text)));

// One tool without prose that names exactly what the task needs.
function floorDefinition(w, r) {
	const lines = r.task.needs.map((n) => w.signatures[n]);
	return tokens({ name: "lua", description: lines.join("\n"), input_schema: { type: "object", properties: { code: { type: "string" } } } });
}

// What the input of our two forms is made of, summed over a task's requests as they are counted.
export function partsOfOurs(w, r) {
	const { found, more } = r.search;
	const prompt = tokens(w.neutral(r.prompt)), written = script(w, "lua", r.codes.lua);
	const asked = [{ query: r.task.query, found }, ...more].map((m) => use("tools", { query: m.query }) + tokens(m.found));
	const requests = 2 + (more.length ? 2 : 1);
	const definitions = ours(w.freshTools);
	return {
		C1: { definitions: requests * definitions, "hot set": 0, prompt: requests * prompt,
			search: (requests - 1) * asked[0] + 2 * sum(asked.slice(1)), script: written, result: tokens(w.neutral(r.ours.text)) },
		...(r.hot && { C2: { definitions: 2 * definitions, "hot set": 2 * (ours(w.hotTools) - definitions), prompt: 2 * prompt, search: 0,
			script: written, result: tokens(w.neutral(r.hot.text)) } }),
	};
}

const ours = (defs) => sum(defs, (t) => tokens({ name: t.name, description: t.description, input_schema: t.inputSchema }));

export const MODES = {
	A: { title: "classic, all tools", definitions: (w) => total(w.catalogue), turns: classicTurns },
	A2: { title: "classic, the client's tool search", definitions: (w) => TOOL_SEARCH + tokens(deferredNames(w.catalogue)),
		turns(w, r, v, seen) {
			toolSearch(w, r, v, seen);
			classicTurns(w, r, v);
		} },
	B: { title: "Bifrost, server level", definitions: () => bifrost.definitions, turns: bifrostTurns(false, true) },
	Bt: { title: "Bifrost, tool level", definitions: () => bifrost.definitionsByTool, turns: bifrostTurns(true, true) },
	Bf: { title: "Bifrost, if it did not echo", definitions: () => bifrost.definitions, turns: bifrostTurns(false, false) },
	FM: { title: "FastMCP", definitions: () => fastmcp.definitions, turns: fastmcpTurns },
	CF: { title: "Cloudflare, as it is", definitions: () => cloudflare.definitions, turns: cloudflareTurns(true) },
	CFn: { title: "Cloudflare, if it did not list calls", definitions: () => cloudflare.definitions, turns: cloudflareTurns(false) },
	C1: { title: "ours, one search", definitions: (w) => ours(w.freshTools), turns: searchTurns },
	C2: { title: "ours, hot set", definitions: (w) => ours(w.hotTools), turns: hotTurns, hot: true },
	M: { title: "floor", definitions: (w, r) => floorDefinition(w, r), turns(w, r, v) {
		v.turn(script(w, "lua", r.codes.lua), tokens(w.neutral(r.ours.text)));
	} },
};
