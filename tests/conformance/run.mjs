// SPDX-License-Identifier: Apache-2.0
//
// run - the MCP conformance suite, straight at the fixture and through the gateway.
//
//   node run.mjs [CELL...]     cells are named CLIENT-SERVER, see below; all of them without words
//                              client-legacy, client-modern: the suite's tests of clients
//
// One line per cell: required scenarios passed, checks passed.  Through the gateway every check must
// end as it does straight at the fixture; what may differ stands in expected/CELL.txt, one line
// each: "scenario check - reason".  A line there that is not needed is a failure, too.
// Last line: "N passed, N failed", counted in checks.
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { children, firstLine, gateway, start, top } from "./gateway.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(top, "build/conformance/node_modules");
const fixture = join(top, "build/conformance/fixture.mjs"); // a copy, beside its modules
const suite = join(modules, "@modelcontextprotocol/conformance/dist/index.js");
const versions = { legacy: ["--requirements", "2025-11-25"], modern: ["--requirements", "2026-07-28"],
	old: ["--suite", "all", "--spec-version", "2025-06-18"] };
// client's wire, then what the server behind speaks
const cells = [["legacy", "legacy"], ["modern", "modern"], ["old", "legacy"], ["legacy", "modern"],
	["modern", "legacy"], ["legacy", "stdio"], ["modern", "stdio"], ["legacy", "stdio-legacy"],
	["modern", "stdio-legacy"]];
// the other way round
const metadata = ["default", "var1", "var2", "var3"].map((m) => "auth/metadata-" + m);
const auth = [...metadata, "auth/basic-cimd", "auth/scope-from-www-authenticate", "auth/scope-from-scopes-supported",
	"auth/scope-omitted-when-undefined", "auth/scope-step-up", "auth/scope-retry-limit",
	"auth/token-endpoint-auth-basic", "auth/token-endpoint-auth-post", "auth/token-endpoint-auth-none",
	"auth/pre-registration"];
const auth_modern = ["resource-mismatch", "offline-access-scope", "offline-access-not-supported",
	"authorization-server-migration", "iss-supported", "iss-not-advertised", "iss-supported-missing",
	"iss-wrong-issuer", "iss-unexpected", "iss-normalized", "metadata-issuer-mismatch",
	"client-credentials-basic", "client-credentials-jwt"].map((m) => "auth/" + m);
const clients = {
	"client-legacy": { version: "2025-11-25", scenarios: ["initialize", "tools_call", "sse-retry",
		"elicitation-sep1034-client-defaults", "json-schema-2020-12-preservation"] },
	"client-modern": { version: "2026-07-28", scenarios: ["tools_call", "request-metadata", "http-standard-headers",
		"http-custom-headers", "http-invalid-tool-headers", "sep-2322-client-request-state", "json-schema-ref-no-deref",
		"json-schema-2020-12-preservation"] },
	"client-auth-legacy": { version: "2025-11-25", scenarios: auth },
	"client-auth-modern": { version: "2026-07-28", scenarios: [...auth, ...auth_modern] },
};
async function serve(server) {
	if (!server.startsWith("stdio"))
		return `{ url: "http://127.0.0.1:${await firstLine(start([process.execPath, fixture, server]))}/mcp" }`;
	const era = server === "stdio-legacy" ? "legacy" : "modern";
	return `{ command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(fixture)}, stdio, both], ` +
		`isolation: per-session, protocol: ${era} }`;
}

// One run of the suite -> Map "scenario check" -> status, the worst where a check is there several times
function suiteRun(words, out) {
	rmSync(out, { recursive: true, force: true });
	mkdirSync(out, { recursive: true });
	return new Promise((done) => {
		const child = spawn(process.execPath, [suite, ...words, "-o", out], { cwd: out, stdio: ["ignore", "pipe", "pipe"] });
		let log = "";
		child.stdout.on("data", (d) => { log += d; });
		child.stderr.on("data", (d) => { log += d; });
		child.on("exit", () => {
			writeFileSync(join(out, "log"), log);
			const checks = new Map();
			for (const f of globSync(join(out, "{*,auth/*}/checks.json"))) {
				const scenario = dirname(f).slice(out.length + 1).replace(/^(server|client)-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
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

const serverWords = (port, version) => ["server", "--url", `http://127.0.0.1:${port}/mcp`, ...versions[version]];
const direct = new Map();
async function straight(version) {
	if (!direct.has(version)) {
		const child = start([process.execPath, fixture, "both"]);
		const port = await firstLine(child);
		direct.set(version, await suiteRun(serverWords(port, version),
			join(top, "build/conformance/direct-" + version)));
		child.kill();
	}
	return direct.get(version);
}

let passed = 0, failed = 0;

// A check that passes straight at the fixture has to be there and to pass through the gateway.
function judge(cell, got, base) {
	const may = expected(cell);
	for (const name of new Set([...got.keys(), ...base.keys(), ...may.keys()])) {
		const c = got.get(name);
		const was = base.get(name)?.status;
		const bad = c ? c.status === "FAILURE" && was !== "FAILURE" : was === "SUCCESS";
		if (bad === may.has(name)) {
			passed++;
			continue;
		}
		failed++;
		console.log(bad ? `  FAILED ${name}: ${(c?.why ?? "the check was not reached").slice(0, 300)}` :
			`  passes, take it out of expected: ${name}`);
	}
}

async function serverCell(version, server) {
	const cell = `${version}-${server}`;
	const base = await straight(version);
	const gate = await gateway(await serve(server));
	if (!gate.up) throw new Error(`${cell}: the gateway did not reach the fixture`);
	const got = await suiteRun(serverWords(gate.front, version), join(top, "build/conformance", cell));
	gate.close();
	console.log(`${cell}: ${score(got)} (straight at the fixture: ${score(base)})`);
	judge(cell, got.checks, base.checks);
}

// The gateway as the client: the suite is the server, client.mjs an agent before the gateway.
async function clientCell(cell, { version, scenarios }) {
	const all = { checks: new Map(), unscored: new Set() };
	for (const scenario of scenarios) {
		const out = join(top, "build/conformance", cell, scenario);
		const { checks } = await suiteRun(["client", "--command", `${process.execPath} ${join(here, "client.mjs")}`,
			"--scenario", scenario, "--spec-version", version, "--force"], out);
		if (checks.size === 0) checks.set(`${scenario} ran`, { status: "FAILURE", why: "no check ran" });
		for (const [name, c] of checks) all.checks.set(name, c);
	}
	console.log(`${cell}: ${score(all)}`);
	judge(cell, all.checks, new Map());
}

try {
	const wanted = process.argv.slice(2);
	const is = (cell) => wanted.length === 0 || wanted.includes(cell);
	for (const [version, server] of cells) if (is(`${version}-${server}`)) await serverCell(version, server);
	for (const [cell, what] of Object.entries(clients)) if (is(cell)) await clientCell(cell, what);
} finally {
	for (const c of children) c.kill();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
