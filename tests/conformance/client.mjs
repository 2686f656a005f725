// SPDX-License-Identifier: Apache-2.0
//
// client - what the suite starts to test a client: a gateway before the suite's server, and an agent
// before the gateway that does what the scenario wants done.
//
//   node client.mjs URL        MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_CONTEXT in the environment
//
// The agent speaks 2026-07-28; where a scenario is about arguments mirrored into headers it speaks
// 2025-11-25, so that every header the suite sees was made by the gateway.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gateway } from "./gateway.mjs";

const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const old = ["http-custom-headers", "http-invalid-tool-headers"].includes(scenario);
const auth = scenario.startsWith("auth/");
const gate = await gateway(`{ url: ${JSON.stringify(process.argv.at(-1))}${oauth()} }`, !auth);
const meta = {
	"io.modelcontextprotocol/protocolVersion": "2026-07-28",
	"io.modelcontextprotocol/clientInfo": { name: "agent", version: "1.0.0" },
	"io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } },
};
let id = 0, session;

// What the scenario gives a client to be known by.
function oauth() {
	if (!auth) return "";
	const words = ["client_metadata: \"https://conformance-test.local/client-metadata.json\""];
	if (scenario.startsWith("auth/client-credentials")) words.push("grant: client_credentials");
	if (context.client_id) words.push(`client_id: ${JSON.stringify(context.client_id)}`);
	if (context.client_secret) words.push(`client_secret: ${JSON.stringify(context.client_secret)}`);
	if (context.private_key_pem) {
		const file = join(mkdtempSync(join(tmpdir(), "tollgate-key-")), "client.pem");
		writeFileSync(file, context.private_key_pem, { mode: 0o600 });
		words.push(`private_key: ${file}`);
	}
	return `, oauth: { ${words.join(", ")} }`;
}

// The person: goes where the gateway says, says yes, and is sent back.
async function signIn() {
	const r = gate.cli(["servers", "sign-in", "fixture", "--json"]);
	if (r.status !== 0) return false;
	const there = await fetch(JSON.parse(r.stdout).address, { redirect: "manual" });
	const back = there.headers.get("location");
	return back !== null && (await fetch(back)).ok;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Signs in when that is what keeps the server, or the call, from answering.
async function authorized() {
	for (let i = 0; i < 4 && !(await gate.ready()); i++) {
		if (!scenario.startsWith("auth/client-credentials") && !(await signIn()) && i > 0) return;
		for (let k = 0; k < 20 && !(await gate.ready()); k++) await pause(50);
	}
	for (let i = 0; i < 4; i++) {
		const r = await call("test-tool");
		if (r.result && !r.result.isError) return;
		if (!(await signIn())) return;
	}
}

function answer(text, type) {
	if (!type?.startsWith("text/event-stream")) return JSON.parse(text);
	const events = text.split("\n").filter((l) => l.startsWith("data:") && l.length > 6);
	return events.map((l) => JSON.parse(l.slice(5))).find((m) => m.id === id);
}

async function rpc(method, params = {}) {
	const headers = { "content-type": "application/json", accept: "application/json, text/event-stream",
		authorization: "Bearer " + gate.key, "mcp-protocol-version": old ? "2025-11-25" : "2026-07-28" };
	if (old && session) headers["mcp-session-id"] = session;
	if (!old) {
		headers["mcp-method"] = method;
		if (params.name ?? params.uri) headers["mcp-name"] = params.name ?? params.uri;
	}
	const notice = method.startsWith("notifications/");
	const body = { jsonrpc: "2.0", ...(!notice && { id: ++id }), method,
		params: old ? params : { ...params, _meta: meta } };
	const r = await fetch(`http://127.0.0.1:${gate.port}/mcp`, { method: "POST", headers, body: JSON.stringify(body) });
	session ??= r.headers.get("mcp-session-id") ?? undefined;
	const text = await r.text();
	return notice ? undefined : answer(text, r.headers.get("content-type"));
}

// What a person would send who accepts the form as it is.
function fill(request) {
	const fields = Object.entries(request.params?.requestedSchema?.properties ?? {});
	return { action: "accept", content: Object.fromEntries(fields.map(([k, f]) =>
		[k, f.default ?? (f.type === "boolean" ? true : f.type === "string" ? "text" : 1)])) };
}

// Calls, and answers what is asked until there is a result; `between` once before the first answer.
async function call(name, args = {}, between = async () => {}) {
	let r = await rpc("tools/call", { name, arguments: args });
	for (let round = 0; round < 5 && r.result?.resultType === "input_required"; round++) {
		if (round === 0) await between();
		const { inputRequests = {}, requestState } = r.result;
		const inputResponses = Object.fromEntries(Object.entries(inputRequests).map(([k, q]) => [k, fill(q)]));
		r = await rpc("tools/call", { name, arguments: args, inputResponses,
			...(requestState !== undefined && { requestState }) });
	}
	return r;
}

const does = {
	tools_call: () => call("add_numbers", { a: 5, b: 3 }),
	"sse-retry": () => call("test_reconnection"),
	"elicitation-sep1034-client-defaults": () => call("test_client_elicitation_defaults"),
	"json-schema-2020-12-preservation": (tools) => call("json_schema_echo",
		{ schema: tools.find((t) => t.name === "json_schema_2020_12_tool")?.inputSchema }),
	async "http-standard-headers"(tools) {
		for (const t of tools) await call(t.name);
		for (const r of (await rpc("resources/list")).result?.resources ?? []) await rpc("resources/read", { uri: r.uri });
		for (const p of (await rpc("prompts/list")).result?.prompts ?? []) await rpc("prompts/get", { name: p.name });
	},
	async "http-custom-headers"() {
		for (const c of context.toolCalls ?? []) await call(c.name, c.arguments);
	},
	async "http-invalid-tool-headers"(tools) {
		for (const t of tools) await call(t.name, { region: "eu" });
	},
	async "sep-2322-client-request-state"() {
		await call("test_mrtr_echo_state", {}, () => call("test_mrtr_unrelated"));
		await call("test_mrtr_no_state");
		await call("test_mrtr_no_result_type");
	},
};

try {
	if (old) {
		await rpc("initialize", { protocolVersion: "2025-11-25", capabilities: {},
			clientInfo: { name: "agent", version: "1.0.0" } });
		await rpc("notifications/initialized");
	}
	if (auth) await authorized();
	const tools = (await rpc("tools/list")).result?.tools ?? [];
	await does[scenario]?.(tools);
} finally {
	gate.close();
}
setTimeout(() => process.exit(0), 1000).unref();
