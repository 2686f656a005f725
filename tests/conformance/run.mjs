// SPDX-License-Identifier: Apache-2.0
//
// run - the MCP conformance suite, straight at the fixture and through the gateway.
//
//   node run.mjs [CELL...]     cells are named CLIENT-SERVER, see below; all of them without words
//
// One line per cell: required scenarios passed, checks passed.  Through the gateway every check must
// end as it does straight at the fixture; what may differ stands in expected/CELL.txt, one line
// each: "scenario check - reason".  A line there that is not needed is a failure, too.
// Last line: "N passed, N failed", counted in checks.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const top = resolve(here, "../..");
const modules = join(top, "build/conformance/node_modules");
const fixture = join(top, "build/conformance/fixture.mjs"); // a copy, beside its modules
const suite = join(modules, "@modelcontextprotocol/conformance/dist/index.js");
const tollgate = join(top, process.env.B ?? "build", "tollgate");
const versions = { legacy: ["--requirements", "2025-11-25"], modern: ["--requirements", "2026-07-28"],
	old: ["--suite", "all", "--spec-version", "2025-06-18"] };
// client's wire, then what the server behind speaks
const cells = [["legacy", "legacy"], ["modern", "modern"], ["old", "legacy"], ["legacy", "modern"],
	["modern", "legacy"], ["legacy", "stdio"], ["modern", "stdio"], ["legacy", "stdio-legacy"],
	["modern", "stdio-legacy"]];
const children = [];

function start(args, options = {}) {
	const child = spawn(args[0], args.slice(1), { stdio: ["ignore", "pipe", "inherit"], ...options });
	children.push(child);
	return child;
}

function firstLine(child) {
	return new Promise((done, failed) => {
		let text = "";
		child.stdout.on("data", (d) => {
			text += d;
			if (text.includes("\n")) done(text.slice(0, text.indexOf("\n")));
		});
		child.on("exit", () => failed(new Error("it ended: " + text)));
	});
}

async function until(what, fn) {
	for (let i = 0; i < 400; i++) {
		const v = await fn();
		if (v) return v;
		await new Promise((done) => setTimeout(done, 25));
	}
	throw new Error("waited in vain for " + what);
}

// The suite cannot send a key: this adds it and leaves everything else as it is, Host too.
function forwarder(port, key) {
	const server = createServer((req, res) => {
		const up = request({ host: "127.0.0.1", port, method: req.method, path: req.url, setHost: false,
			headers: { ...req.headers, authorization: "Bearer " + key } }, (r) => {
			res.writeHead(r.statusCode, r.headers);
			res.flushHeaders();
			r.pipe(res);
			r.on("error", () => res.destroy());
		});
		up.on("error", () => res.destroy());
		res.on("close", () => up.destroy());
		req.pipe(up);
	});
	return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

async function gateway(server) {
	const dir = mkdtempSync(join(tmpdir(), "tollgate-conformance-"));
	let entry;
	if (server.startsWith("stdio")) {
		const era = server === "stdio-legacy" ? "legacy" : "modern";
		entry = `{ command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(fixture)}, stdio, both], ` +
			`isolation: per-session, protocol: ${era} }`;
	} else {
		const port = await firstLine(start([process.execPath, fixture, server]));
		entry = `{ url: "http://127.0.0.1:${port}/mcp" }`;
	}
	mkdirSync(join(dir, "policies/root"), { recursive: true });
	writeFileSync(join(dir, "policies/root/all.yaml"), "version: 1\npolicy: all\nowner: \"#conformance\"\n" +
		"applies_to: \"*\"\nrules:\n  - allow: \"fixture/*\"\n  - allow: \"prompt:fixture/*\"\n" +
		"  - allow: \"resource:fixture/*\"\n");
	writeFileSync(join(dir, "tollgate.yaml"), "version: 1\nlisten:\n  - { address: \"127.0.0.1:0\", " +
		"serves: [mcp, metrics] }\ndata: ./data\nmcp: { prefix: never }\nservers:\n  fixture: " + entry +
		"\npolicies: policies/\nlog: { level: warn }\n");
	const config = join(dir, "tollgate.yaml");
	const child = start([tollgate, "run", "-c", config], { cwd: dir, stdio: ["ignore", "ignore", "inherit"] });
	const run = await until("the gateway", () => existsSync(join(dir, "data/run.json")) &&
		JSON.parse(readFileSync(join(dir, "data/run.json"))));
	const made = spawnSync(tollgate, ["key", "create", "--name", "suite", "--json", "-c", config]);
	const { key } = JSON.parse(made.stdout);
	const port = Number(/:(\d+)$/.exec(run.listen[0] ?? run.listen)[1]);
	await until("the fixture's tools", async () => {
		const r = await fetch(`http://127.0.0.1:${port}/metrics`);
		return /tollgate_mcp_server_up\{server="fixture"\} 1/.test(await r.text());
	});
	const front = await forwarder(port, key);
	return { port: front.address().port, close() {
		front.closeAllConnections();
		front.close();
		child.kill("SIGTERM");
		child.on("exit", () => rmSync(dir, { recursive: true, force: true }));
	} };
}

// -> Map "scenario check" -> status, the worst where a check is there several times
function suiteRun(port, version, out) {
	rmSync(out, { recursive: true, force: true });
	mkdirSync(out, { recursive: true });
	return new Promise((done) => {
		const child = spawn(process.execPath, [suite, "server", "--url", `http://127.0.0.1:${port}/mcp`,
			...versions[version], "-o", out], { cwd: out, stdio: ["ignore", "pipe", "pipe"] });
		let log = "";
		child.stdout.on("data", (d) => { log += d; });
		child.stderr.on("data", (d) => { log += d; });
		child.on("exit", () => {
			writeFileSync(join(out, "log"), log);
			const checks = new Map();
			for (const f of globSync(join(out, "*/checks.json"))) {
				const scenario = basename(dirname(f)).replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
				for (const c of JSON.parse(readFileSync(f))) {
					const name = `${scenario} ${c.id}`;
					if (c.status === "FAILURE" || !checks.has(name))
						checks.set(name, { status: c.status, why: c.errorMessage ?? "" });
				}
			}
			const unscored = new Set([...log.matchAll(/^ {2}[✓✗] ([a-z0-9-]+) \(/gm)].map((m) => m[1]));
			done({ checks, unscored });
		});
	});
}

function expected(cell) {
	const f = join(here, "expected", cell + ".txt");
	const lines = existsSync(f) ? readFileSync(f, "utf8").split("\n") : [];
	const out = new Map();
	for (const l of lines.filter((l) => l && !l.startsWith("#"))) {
		const m = /^(\S+ \S+) - (.+)$/.exec(l);
		if (!m) throw new Error(`${f}: not "scenario check - reason": ${l}`);
		out.set(m[1], m[2]);
	}
	return out;
}

function score({ checks, unscored }) {
	const scenarios = new Map();
	let n = 0, good = 0;
	for (const [name, c] of checks) {
		const s = name.split(" ")[0];
		if (unscored.has(s)) continue;
		scenarios.set(s, (scenarios.get(s) ?? true) && c.status !== "FAILURE");
		if (c.status !== "SUCCESS" && c.status !== "FAILURE") continue;
		n++;
		good += c.status === "SUCCESS";
	}
	return `${[...scenarios.values()].filter(Boolean).length}/${scenarios.size} scenarios, ${good}/${n} checks`;
}

const direct = new Map();
async function straight(version) {
	if (!direct.has(version)) {
		const child = start([process.execPath, fixture, "both"]);
		const port = await firstLine(child);
		direct.set(version, await suiteRun(port, version, join(top, "build/conformance/direct-" + version)));
		child.kill();
	}
	return direct.get(version);
}

let passed = 0, failed = 0;
try {
	const wanted = process.argv.slice(2);
	for (const [version, server] of cells) {
		const cell = `${version}-${server}`;
		if (wanted.length && !wanted.includes(cell)) continue;
		const base = await straight(version);
		const gate = await gateway(server);
		const got = await suiteRun(gate.port, version, join(top, "build/conformance", cell));
		gate.close();
		const may = expected(cell);
		console.log(`${cell}: ${score(got)} (straight at the fixture: ${score(base)})`);
		for (const [name, c] of got.checks) {
			const bad = c.status === "FAILURE" && base.checks.get(name)?.status !== "FAILURE";
			if (bad === may.has(name)) {
				passed++;
				continue;
			}
			failed++;
			console.log(bad ? `  FAILED ${name}: ${c.why.slice(0, 300)}` : `  passes, take it out of expected: ${name}`);
		}
	}
} finally {
	for (const c of children) c.kill();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
