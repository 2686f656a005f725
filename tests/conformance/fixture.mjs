// SPDX-License-Identifier: Apache-2.0
//
// fixture - the server that the conformance suite wants to find, on the SDK.
//
//   node fixture.mjs [both|modern|legacy]   Streamable HTTP on 127.0.0.1:0, prints its port
//   node fixture.mjs stdio [both|modern|legacy]
//
// What the suite addresses by name is in the tables below; handlers ask for input by returning
// inputRequired(), which the SDK turns into requests to the client on the legacy wire.
import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { NodeStreamableHTTPServerTransport, localhostHostValidation, localhostOriginValidation, toNodeHandler, toWebRequest,
} from "@modelcontextprotocol/node";
import { CLIENT_CAPABILITIES_META_KEY, MissingRequiredClientCapabilityError, ProtocolError, ResourceNotFoundError,
	Server, createMcpHandler, createRequestStateCodec, inputRequired, isInitializeRequest, isLegacyRequest,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const codec = createRequestStateCodec({ key: randomBytes(32) });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const text = (s) => ({ content: [{ type: "text", text: s }] });
const form = (message, properties, required) =>
	inputRequired.elicit({ message, requestedSchema: { type: "object", properties, ...(required && { required }) } });
const ask = (prompt, maxTokens) => inputRequired.createMessage(
	{ messages: [{ role: "user", content: { type: "text", text: prompt } }], maxTokens });
let changes = 0; // what test_trigger_… has changed
let notify = { tools() {}, prompts() {} };

// Every key is answered?  Else asks for what is missing.
async function input(ctx, requests, state) {
	const got = ctx.mcpReq.inputResponses ?? {};
	const missing = Object.fromEntries(Object.entries(requests).filter(([k]) => typeof got[k] !== "object"));
	if (Object.keys(missing).length === 0) return null;
	return inputRequired({ inputRequests: missing, ...(state && { requestState: await codec.mint(state) }) });
}

function capabilities(server, ctx) {
	return ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities() ?? {};
}

const none = { type: "object", properties: {} };
const tools = {
	test_simple_text: [none, () => text("This is a simple text response for testing.")],
	test_image_content: [none, () => ({ content: [{ type: "image", data: PNG, mimeType: "image/png" }] })],
	test_audio_content: [none, () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] })],
	test_embedded_resource: [none, () => ({ content: [{ type: "resource", resource: { uri: "test://embedded-resource",
		mimeType: "text/plain", text: "This is an embedded resource content." } }] })],
	test_multiple_content_types: [none, () => ({ content: [{ type: "text", text: "Multiple content types test:" },
		{ type: "image", data: PNG, mimeType: "image/png" },
		{ type: "resource", resource: { uri: "test://mixed-content-resource", mimeType: "application/json",
			text: '{"test":"data","value":123}' } }] })],
	test_error_handling: [none, () => ({ isError: true,
		content: [{ type: "text", text: "This tool intentionally returns an error for testing" }] })],
	test_tool_with_logging: [none, async (a, ctx, server, log) => {
		await log("info", "Tool execution started");
		await sleep(50);
		await log("info", "Tool processing data");
		await sleep(50);
		await log("info", "Tool execution completed");
		return text("Tool with logging executed successfully");
	}],
	test_logging_tool: [none, async (a, ctx, server, log) => {
		await log("info", "a log message");
		return text("logged");
	}],
	test_tool_with_progress: [none, async (a, ctx) => {
		const progressToken = ctx.mcpReq._meta?.progressToken;
		for (const progress of [0, 50, 100]) {
			if (progressToken !== undefined)
				await ctx.mcpReq.notify({ method: "notifications/progress",
					params: { progressToken, progress, total: 100 } });
			await sleep(50);
		}
		return text("Tool with progress executed");
	}],
	test_sampling: [{ type: "object", properties: { prompt: { type: "string" } }, required: ["prompt"] },
		async (a, ctx, server) => {
			if (!capabilities(server, ctx).sampling) throw new Error("the client cannot sample");
			return await input(ctx, { sample: ask(a.prompt, 100) }) ??
				text("LLM response: " + (ctx.mcpReq.inputResponses.sample.content?.text ?? ""));
		}],
	test_elicitation: [{ type: "object", properties: { message: { type: "string" } }, required: ["message"] },
		async (a, ctx) => await input(ctx, { user: form(a.message, {
			username: { type: "string", description: "User's response" },
			email: { type: "string", description: "User's email address" } }, ["username", "email"]) }) ??
			text(`User response: ${JSON.stringify(ctx.mcpReq.inputResponses.user)}`)],
	test_elicitation_sep1034_defaults: [none, async (a, ctx) => await input(ctx, { user: form("Defaults", {
		name: { type: "string", default: "John Doe" }, age: { type: "integer", default: 30 },
		score: { type: "number", default: 95.5 },
		status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
		verified: { type: "boolean", default: true } }) }) ?? done(ctx)],
	test_elicitation_sep1330_enums: [none, async (a, ctx) => await input(ctx, { user: form("Enums", {
		untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
		titledSingle: { type: "string", oneOf: [{ const: "value1", title: "First Option" },
			{ const: "value2", title: "Second Option" }, { const: "value3", title: "Third Option" }] },
		legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"],
			enumNames: ["Option One", "Option Two", "Option Three"] },
		untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
		titledMulti: { type: "array", items: { anyOf: [{ const: "value1", title: "First Choice" },
			{ const: "value2", title: "Second Choice" }, { const: "value3", title: "Third Choice" }] } } }) }) ??
		done(ctx)],
	test_missing_capability: [none, (a, ctx, server) => {
		if (!capabilities(server, ctx).sampling)
			throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
		return text("the client can sample");
	}],
	test_streaming_elicitation: [none, async (a, ctx) =>
		await input(ctx, { user: form("Stream?", { ok: { type: "boolean" } }) }) ?? done(ctx)],
	test_trigger_tool_change: [none, () => {
		changes++;
		notify.tools();
		return text("the list of tools has changed");
	}],
	test_trigger_prompt_change: [none, () => {
		changes++;
		notify.prompts();
		return text("the list of prompts has changed");
	}],
	test_reconnection: [none, async (a, ctx) => {
		ctx.http?.closeSSE?.();
		await sleep(100);
		return text("after the reconnection");
	}],
	test_header_param: [{ type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" },
		query: { type: "string" } }, required: ["region"] }, (a) => text(`region ${a.region}`)],
	json_schema_2020_12_tool: [{ $schema: "https://json-schema.org/draft/2020-12/schema", type: "object",
		$defs: { address: { $anchor: "addressDef", type: "object",
			properties: { street: { type: "string" }, city: { type: "string" } } } },
		properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" },
			contactMethod: { type: "string", enum: ["phone", "email"] }, phone: { type: "string" },
			email: { type: "string" } },
		allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
		if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
		then: { required: ["phone"] }, else: { required: ["email"] }, additionalProperties: false },
		(a) => text(JSON.stringify(a))],
	test_input_required_result_elicitation: [none, async (a, ctx) => await input(ctx, { user_name:
		form("What is your name?", { name: { type: "string" } }, ["name"]) }) ??
		text(`Hello, ${ctx.mcpReq.inputResponses.user_name.content?.name}!`)],
	test_input_required_result_sampling: [none, async (a, ctx) => await input(ctx, { capital_question:
		ask("What is the capital of France?", 100) }) ??
		text(ctx.mcpReq.inputResponses.capital_question.content?.text ?? "")],
	test_input_required_result_list_roots: [none, async (a, ctx) => await input(ctx, { client_roots:
		inputRequired.listRoots() }) ?? text(JSON.stringify(ctx.mcpReq.inputResponses.client_roots.roots))],
	test_input_required_result_request_state: [none, async (a, ctx) => await input(ctx, { confirm:
		form("Please confirm", { ok: { type: "boolean" } }, ["ok"]) }, { step: 1 }) ??
		text(ctx.mcpReq.requestState() ? "state-ok" : "no state")],
	test_input_required_result_multiple_inputs: [none, async (a, ctx) => await input(ctx, {
		user_name: form("What is your name?", { name: { type: "string" } }, ["name"]),
		greeting: ask("Generate a greeting", 50), client_roots: inputRequired.listRoots() }, { step: 1 }) ??
		text(JSON.stringify(ctx.mcpReq.inputResponses))],
	test_input_required_result_multi_round: [none, async (a, ctx) => {
		const state = ctx.mcpReq.requestState();
		if (!state)
			return await input({ mcpReq: {} }, { step1:
				form("Step 1: What is your name?", { name: { type: "string" } }, ["name"]) }, { round: 1 });
		if (state.round === 1 && ctx.mcpReq.inputResponses?.step1)
			return await input({ mcpReq: {} }, { step2: form("Step 2: What is your favorite color?",
				{ color: { type: "string" } }, ["color"]) },
			{ round: 2, name: ctx.mcpReq.inputResponses.step1.content?.name });
		if (!ctx.mcpReq.inputResponses?.step2)
			return await input({ mcpReq: {} }, { step2: form("Step 2: What is your favorite color?",
				{ color: { type: "string" } }, ["color"]) }, state);
		return text(`${state.name} likes ${ctx.mcpReq.inputResponses.step2.content?.color}`);
	}],
	test_input_required_result_tampered_state: [none, async (a, ctx) => await input(ctx, { confirm:
		form("Please confirm", { ok: { type: "boolean" } }, ["ok"]) }, { step: 1 }) ?? text("not tampered")],
	test_input_required_result_capabilities: [none, async (a, ctx, server) => {
		const can = capabilities(server, ctx);
		const wanted = { ...(can.sampling && { sample: ask("Say something", 20) }),
			...(can.elicitation && { user: form("What is your name?", { name: { type: "string" } }) }) };
		return await input(ctx, wanted) ?? text("asked for what the client can do");
	}],
};

function done(ctx) {
	const r = ctx.mcpReq.inputResponses.user;
	return text(`Elicitation completed: action=${r.action}, content=${JSON.stringify(r.content ?? {})}`);
}

const message = (content) => ({ role: "user", content });
const prompts = {
	test_simple_prompt: [[], () => [message({ type: "text", text: "This is a simple prompt for testing." })]],
	test_prompt_with_arguments: [["arg1", "arg2"], (a) =>
		[message({ type: "text", text: `Prompt with arguments: arg1='${a.arg1}', arg2='${a.arg2}'` })]],
	test_prompt_with_embedded_resource: [["resourceUri"], (a) => [message({ type: "resource", resource: {
		uri: a.resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." } }),
	message({ type: "text", text: "Please process the embedded resource above." })]],
	test_prompt_with_image: [[], () => [message({ type: "image", data: PNG, mimeType: "image/png" }),
		message({ type: "text", text: "Please analyze the image above." })]],
	test_input_required_result_prompt: [[], async (a, ctx) => await input(ctx, { user_context:
		form("What context should the prompt use?", { context: { type: "string" } }, ["context"]) }) ??
		[message({ type: "text", text: `Context: ${ctx.mcpReq.inputResponses.user_context.content?.context}` })]],
};

const resources = {
	"test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
	"test://static-binary": { mimeType: "image/png", blob: PNG },
	"test://watched-resource": { mimeType: "text/plain", text: "Watched resource content" },
	"test://example-resource": { mimeType: "text/plain", text: "Example resource" },
};

function read(uri) {
	const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
	if (resources[uri]) return { contents: [{ uri, ...resources[uri] }] };
	if (id) return { contents: [{ uri, mimeType: "application/json",
		text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }] };
	throw new ResourceNotFoundError(uri);
}

function build() {
	const server = new Server({ name: "fixture", version: "1.0.0" }, { capabilities: { tools: { listChanged: true },
		prompts: { listChanged: true }, resources: { listChanged: true, subscribe: true }, completions: {},
		logging: {} }, requestState: { verify: codec.verify } });
	const log = (ctx) => (level, data) => ctx.mcpReq.log(level, data, "fixture");
	server.setRequestHandler("tools/list", () => ({ tools: Object.entries(tools).map(([name, [inputSchema]]) =>
		({ name, description: `The suite's ${name}` + (name === "test_trigger_tool_change" ? `, ${changes}` : ""),
			inputSchema })) }));
	server.setRequestHandler("tools/call", async ({ params }, ctx) => {
		const tool = tools[params.name];
		if (!tool) throw new ProtocolError(-32602, `Unknown tool: ${params.name}`);
		return await tool[1](params.arguments ?? {}, ctx, server, log(ctx));
	});
	server.setRequestHandler("prompts/list", () => ({ prompts: Object.entries(prompts).map(([name, [names]]) =>
		({ name, description: `The suite's ${name}` + (name === "test_simple_prompt" ? `, ${changes}` : ""),
			arguments: names.map((n) => ({ name: n, description: n, required: true })) })) }));
	server.setRequestHandler("prompts/get", async ({ params }, ctx) => {
		const prompt = prompts[params.name];
		if (!prompt) throw new ProtocolError(-32602, `Unknown prompt: ${params.name}`);
		const messages = await prompt[1](params.arguments ?? {}, ctx);
		return Array.isArray(messages) ? { messages } : messages;
	});
	server.setRequestHandler("resources/list", () => ({ resources: Object.entries(resources).map(([uri, r]) =>
		({ uri, name: uri.slice(7), description: `The suite's ${uri}`, mimeType: r.mimeType })) }));
	server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: [{
		uriTemplate: "test://template/{id}/data", name: "template", description: "The suite's template",
		mimeType: "application/json" }] }));
	server.setRequestHandler("resources/read", ({ params }) => read(params.uri));
	server.setRequestHandler("resources/subscribe", () => ({}));
	server.setRequestHandler("resources/unsubscribe", () => ({}));
	server.setRequestHandler("completion/complete", ({ params }) => ({ completion: {
		values: ["paris", "park", "party"].filter((v) => v.startsWith(params.argument.value)), total: 3,
		hasMore: false } }));
	return server;
}

// The legacy wire with sessions; the SDK's handler alone would serve it without.
const sessions = new Map();
async function legacy(req, res, body) {
	const known = sessions.get(req.headers["mcp-session-id"]);
	if (known) return await known.transport.handleRequest(req, res, body);
	if (req.headers["mcp-session-id"])
		return res.writeHead(404, { "content-type": "application/json" }).end(
			'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
	const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID,
		onsessioninitialized: (id) => sessions.set(id, { transport, server }),
		onsessionclosed: (id) => sessions.delete(id) });
	const server = build();
	await server.connect(transport);
	return await transport.handleRequest(req, res, body);
}

function http(era) {
	const handler = createMcpHandler(build, { legacy: "reject" });
	const modern = toNodeHandler(handler);
	notify = {
		tools() {
			handler.notify.toolsChanged();
			for (const s of sessions.values()) s.server.sendToolListChanged().catch(() => {});
		},
		prompts() {
			handler.notify.promptsChanged();
			for (const s of sessions.values()) s.server.sendPromptListChanged().catch(() => {});
		},
	};
	const host = localhostHostValidation();
	const origin = localhostOriginValidation();
	const server = createServer(async (req, res) => {
		if (!host(req, res) || !origin(req, res)) return;
		const chunks = [];
		for await (const c of req) chunks.push(c);
		let body;
		try {
			body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
			const old = era !== "modern" && (era === "legacy" || req.method !== "POST" ||
				await isLegacyRequest(await toWebRequest(req, body), body));
			await (old ? legacy(req, res, body) : modern(req, res, body));
		} catch (e) {
			if (!res.headersSent) res.writeHead(400).end(String(e));
		}
	});
	server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

const [first = "both", second = "both"] = process.argv.slice(2);
if (first === "stdio") serveStdio(build, { legacy: second === "modern" ? "reject" : "serve" });
else http(first);
