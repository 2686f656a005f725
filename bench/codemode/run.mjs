// SPDX-License-Identifier: Apache-2.0
//
// run - runs the scripts of the other forms against the same servers, so that their answers can be compared too.
//
//   await runPython(office, "star" | "py", code)      { value, calls }
//   await runJs(office, code)
//   calls[i] = { server, tool, args, text, value }    each nested call
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import vm from "node:vm";
import { here, textOf } from "./office.mjs";

const WORKING = ["filesystem", "sqlite", "memory", "git"];

const parsed = (text) => {
	try {
		return /^\s*[[{]/.test(text) ? JSON.parse(text) : text;
	} catch {
		return text;
	}
};

// Calls a tool and keeps what it gave: `raw` forms see text that is parsed if it can be, others the structured
// content first.
function caller(office, calls, raw) {
	return async (server, tool, args) => {
		const r = await office.hand(server, tool, args);
		const text = textOf(r);
		if (r.isError) throw new Error(text);
		const value = raw ? parsed(text) : r.structuredContent ?? parsed(text);
		calls.push({ server, tool, args, text, value });
		return value;
	};
}

export async function runPython(office, kind, code) {
	const calls = [];
	const call = caller(office, calls, kind === "star");
	const p = spawn("python3", ["-I", join(here, "runner.py")], { stdio: ["pipe", "pipe", "inherit"] });
	const tell = (m) => p.stdin.write(JSON.stringify(m) + "\n");
	tell({ kind, code, servers: WORKING });
	for await (const line of createInterface({ input: p.stdout })) {
		const m = JSON.parse(line);
		if (m.error) throw new Error(m.error);
		if (!m.call) {
			p.stdin.end();
			return { value: m.value, calls };
		}
		await call(...m.call).then((value) => tell({ value }), (e) => tell({ error: e.message }));
	}
	throw new Error("the script gave no value");
}

export async function runJs(office, code) {
	const calls = [];
	const call = caller(office, calls, false);
	const server = (name) => new Proxy({}, { get: (_, tool) => (args) => call(name, tool, args) });
	const space = vm.createContext(Object.fromEntries(WORKING.map((n) => [n, server(n)])));
	const value = await vm.runInContext(`(async () => {\n${code}\n})()`, space);
	return { value: JSON.parse(JSON.stringify(value)), calls };
}
