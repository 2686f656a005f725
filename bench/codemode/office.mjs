// SPDX-License-Identifier: Apache-2.0
//
// office - the data of the tasks, the tool servers, and the real gateway in front of them.
//
//   const o = await office(real)       the bundled fakes, or the npm servers of servers.mjs
//   o.work, o.repo                     where the data are; o.neutral(text) puts a fixed path in their place
//   o.catalogue                        [{ server, tool }]: what a classic client of the gateway is told
//   o.hand(server, tool, args)         calls a tool as a classic client does
//   o.client("search" | "hot")         a client of a team that may run scripts (see POLICY)
//   o.reset()                          the data as they were
//   o.failed                           servers that did not start, with the reason
//   o.close()
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { realServers } from "./servers.mjs";

export const here = dirname(fileURLToPath(import.meta.url));
export const top = resolve(here, "../..");
const fake = join(top, "build/codemode/fake");
const VERSION = "2026-07-28";
const META = "io.modelcontextprotocol/";
const LEFT_BEHIND = ["drift.md", "CHANGELOG.md", "errors.md", "paid.csv"];

// `plain` is what clients without Code Mode have; `fresh` never used a tool before it searched; `settled` is
// whoever has done such tasks for a while.
const POLICY = `version: 1
organisation:
  zone: UTC
  customers:
    acme:
      teams:
        plain: { users: { ana: {} } }
        fresh: { users: { ben: {} } }
        settled: { users: { eve: {} } }
policy: tools
owner: "#bench"
applies_to: { customers: [acme] }
rules:
  - allow: any/*
`;
const SCRIPTS = `version: 1
policy: scripts
owner: "#bench"
applies_to: { teams: [fresh, settled] }
rules:
  - allow: code:run
`;

// An MCP client of the gateway.  Each is a session of its own.
export class Client {
	constructor(port, key) {
		this.url = `http://127.0.0.1:${port}/mcp`;
		this.key = key;
		this.id = 0;
	}

	async rpc(method, params = {}) {
		const _meta = { ...params._meta, [META + "protocolVersion"]: VERSION, [META + "clientCapabilities"]: {},
			[META + "clientInfo"]: { name: "bench", version: "1" } };
		const headers = { authorization: "Bearer " + this.key, "content-type": "application/json",
			accept: "application/json, text/event-stream", "mcp-protocol-version": VERSION, "mcp-method": method };
		if (params.name) headers["mcp-name"] = params.name;
		const r = await fetch(this.url, { method: "POST", headers,
			body: JSON.stringify({ jsonrpc: "2.0", id: ++this.id, method, params: { ...params, _meta } }) });
		let text = await r.text();
		if (/event-stream/.test(r.headers.get("content-type") ?? "")) // the answer is the last event
			text = text.split("\n").filter((l) => l.startsWith("data:")).pop().slice(5);
		const m = JSON.parse(text);
		if (m.error) throw new Error(`${method} ${params.name ?? ""}: ${m.error.message}`);
		return m.result;
	}

	async tools() {
		const all = [];
		for (let cursor; ;) {
			const r = await this.rpc("tools/list", cursor ? { cursor } : {});
			all.push(...r.tools);
			cursor = r.nextCursor;
			if (!cursor) return all;
		}
	}

	call(name, args, meta) {
		return this.rpc("tools/call", { name, arguments: args, ...(meta && { _meta: meta }) });
	}
}

export const textOf = (r) => (r.content ?? []).map((c) => c.text ?? "").join("\n");

async function until(what, seconds, fn) {
	for (let i = 0; i < seconds * 20; i++) {
		const v = await fn();
		if (v) return v;
		await new Promise((done) => setTimeout(done, 50));
	}
	throw new Error("waited in vain for " + what);
}

function fakeServers(dir) {
	const names = execFileSync(fake, [join(here, "fakes.lua"), "--list"], { encoding: "utf8" }).trim().split("\n");
	return Object.fromEntries(names.map((n) => [n, { command: [fake, join(here, "fakes.lua"), n, dir] }]));
}

// The servers that the gateway has an answer of, once as many as can be are there.
async function settle(port, names, seconds) {
	const up = async () => {
		const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
		return names.filter((n) => text.includes(`tollgate_mcp_server_up{server="${n}"} 1`));
	};
	await until("the tool servers", seconds, async () => (await up()).length === names.length).catch(() => {});
	return up();
}

export async function office(real) {
	const dir = join(top, "build/codemode", real ? "office-real" : "office");
	rmSync(dir, { recursive: true, force: true });
	mkdirSync(join(dir, "policies/root"), { recursive: true });
	execFileSync(fake, [join(here, "seed.lua"), dir]);
	const work = join(dir, "desk");
	const repo = join(dir, "repo");
	if (real) {
		execFileSync("git", ["init", "-q", "-b", "main", repo]);
		execFileSync("git", ["-C", repo, "fast-import", "--quiet"], { input: readFileSync(join(dir, "repo.fi")) });
		execFileSync("git", ["-C", repo, "reset", "-q", "--hard", "main"]);
	}
	const servers = real ? realServers(join(top, "build/codemode/real/node_modules"), dir) : fakeServers(dir);
	writeFileSync(join(dir, "policies/root/tools.yaml"), POLICY);
	writeFileSync(join(dir, "policies/root/scripts.yaml"), SCRIPTS);
	const config = join(dir, "tollgate.yaml");
	writeFileSync(config, `version: 1
data: ./data
policies: policies/
listen:
  - { address: "127.0.0.1:0", serves: [mcp, metrics] }
pin: off
log: { level: warn }
servers:
${Object.entries(servers).map(([n, s]) => `  ${n}: ${JSON.stringify({ connect_timeout: "60s", list_timeout: "60s", ...s })}\n`).join("")}`);
	const tollgate = join(top, "build/tollgate");
	let log = "";
	const child = spawn(tollgate, ["run", "-c", config], { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
	child.stderr.on("data", (d) => (log += d));
	const run = await until("the gateway", 20, () => {
		if (child.exitCode !== null) throw new Error("the gateway ended: " + log);
		return existsSync(join(dir, "data/run.json")) && JSON.parse(readFileSync(join(dir, "data/run.json")));
	});
	const port = Number(/:(\d+)$/.exec(run.listen[0] ?? run.listen)[1]);
	let made = 0;
	const key = (team, user) => JSON.parse(execFileSync(tollgate, ["key", "create", "--name", `${team}-${++made}`, "--customer", "acme",
		"--team", team, "--user", user, "--json", "-c", config], { encoding: "utf8" })).key;
	const names = Object.keys(servers);
	const up = await settle(port, names, real ? 120 : 20);
	const keys = { classic: key("plain", "ana"), search: key("fresh", "ben"), hot: key("settled", "eve") };
	const classic = new Client(port, keys.classic);
	const catalogue = (await classic.tools()).map((t) => {
		const server = names.find((n) => t.name.startsWith(n + "__"));
		return { server, tool: { ...t, name: t.name.slice(server.length + 2) } };
	});
	const hand = (server, tool, args) => classic.call(`${server}__${tool}`, args);
	return {
		dir, work, repo, catalogue, hand,
		client: (mode) => new Client(port, keys[mode]),
		again: () => new Client(port, key("settled", "eve")), // a key of that team which has no session yet
		failed: names.filter((n) => !up.includes(n)),
		// Lengths do not depend on where this is.
		neutral: (text) => text.replaceAll(dir, "/srv/office"),
		async reset() {
			for (const f of LEFT_BEHIND) rmSync(join(work, f), { force: true });
			await hand("sqlite", "query", { sql: "DROP TABLE IF EXISTS discrepancies" });
			const g = await hand("memory", "read_graph", {});
			const entityNames = (g.structuredContent ?? JSON.parse(textOf(g))).entities.map((e) => e.name);
			if (entityNames.length) await hand("memory", "delete_entities", { entityNames });
		},
		hashes: () => names.filter((n) => up.includes(n)).map((n) => {
			const text = JSON.stringify(catalogue.filter((c) => c.server === n).map((c) => c.tool));
			return { server: n, tools: catalogue.filter((c) => c.server === n).length, bytes: text.length,
				sha256: createHash("sha256").update(text).digest("hex").slice(0, 16) };
		}),
		async close() {
			child.kill("SIGTERM");
			await new Promise((done) => child.once("exit", done));
		},
	};
}
