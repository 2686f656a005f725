// SPDX-License-Identifier: Apache-2.0
//
// gateway - a gateway of its own in front of one server, with a key and every right on that server.
//
//   const g = await gateway('{ url: "http://127.0.0.1:1234/mcp" }')   an entry of `servers:`
//   g.port, g.key, g.front      its port, a key, the port of a forwarder that adds the key
//   g.up                        whether the server answered in time
//   g.ready()                   whether it does now
//   g.cli(words)                a command of its own: { status, stdout }
//   g.close()
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const top = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const tollgate = join(top, process.env.B ?? "build", "tollgate");
export const children = [];

export function start(args, options = {}) {
	const child = spawn(args[0], args.slice(1), { stdio: ["ignore", "pipe", "inherit"], ...options });
	children.push(child);
	return child;
}

export function firstLine(child) {
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

export async function gateway(entry, wait = true) {
	const dir = mkdtempSync(join(tmpdir(), "tollgate-conformance-"));
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
	const cli = (words) => spawnSync(tollgate, [...words, "-c", config], { encoding: "utf8" });
	const { key } = JSON.parse(cli(["key", "create", "--name", "suite", "--json"]).stdout);
	const port = Number(/:(\d+)$/.exec(run.listen[0] ?? run.listen)[1]);
	const ready = async () => {
		const r = await fetch(`http://127.0.0.1:${port}/metrics`);
		return /tollgate_mcp_server_up\{server="fixture"\} 1/.test(await r.text());
	};
	const up = wait && await until("the server", ready).catch(() => false);
	const front = await forwarder(port, key);
	return { port, key, up, ready, cli, front: front.address().port, close() {
		front.closeAllConnections();
		front.close();
		child.kill("SIGTERM");
		child.on("exit", () => rmSync(dir, { recursive: true, force: true }));
	} };
}
