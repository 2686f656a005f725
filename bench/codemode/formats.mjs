// SPDX-License-Identifier: Apache-2.0
//
// formats - how each of the others shows tools and results to a model, written again from what their sources do.
//
// Their definitions' prose is theirs and is not here: the constants are its length in o200k_base tokens as it was
// measured in November 2026 (Bifrost's Starlark Code Mode, FastMCP's CodeMode transform, @cloudflare/codemode
// 0.5).  All that depends on the catalogue, the script or its result is made here.
import { sum, tokens } from "./count.mjs";

// What an MCP client puts into a request for each tool.
export const classicDefinition = ({ server, tool }) =>
	JSON.stringify({ name: `${server}__${tool.name}`, description: tool.description ?? "", input_schema: tool.inputSchema });

// ---- a client's own tool search: names up front, five definitions for a search ----
export const TOOL_SEARCH = 150;
export const deferredNames = (catalogue) => catalogue.map(({ server, tool }) => `mcp__${server}__${tool.name}`).join("\n");

// ---- Bifrost ----
export const bifrost = {
	definitions: 321 + 331 + 134 + 683, // listToolFiles, readToolFile, getToolDocs, executeToolCode
	definitionsByTool: 342 + 331 + 134 + 683,
	name: (n) => n.toLowerCase().replace(/[\s-]+/g, "_").replace(/[^a-z0-9_$]/g, ""),

	type(s) {
		if (s?.enum?.length) return `Literal[${s.enum.map((e) => JSON.stringify(String(e))).join(", ")}]`;
		if (s && "const" in s) return `Literal[${JSON.stringify(String(s.const))}]`;
		const plain = { string: "str", number: "float", integer: "int", boolean: "bool", object: "dict", null: "None" };
		if (s?.type === "array") return `list[${s.items && !Array.isArray(s.items) ? this.type(s.items) : "Any"}]`;
		return plain[s?.type] ?? "Any";
	},

	def({ tool }) {
		const properties = tool.inputSchema?.properties ?? {};
		const required = new Set(tool.inputSchema?.required ?? []);
		const keys = Object.keys(properties).sort();
		const parameters = [...keys.filter((k) => required.has(k)).map((k) => `${k}: ${this.type(properties[k])}`),
			...keys.filter((k) => !required.has(k)).map((k) => `${k}: ${this.type(properties[k])} = None`)];
		let said = tool.description ?? "";
		const end = said.indexOf(". ");
		if (end > 0 && end < 80) said = said.slice(0, end + 1);
		else if (said.length > 80) said = said.slice(0, 77) + "...";
		return `def ${this.name(tool.name)}(${parameters.join(", ")}) -> dict${said ? ":  # " + said : ""}\n`;
	},

	// A virtual file with the signatures of some tools, below 99 tokens of remarks.
	file(entries) {
		return 99 + tokens(entries.map((e) => this.def(e)).join(""));
	},

	// The tree of files, below its remarks.
	list(catalogue, byTool) {
		const servers = [...new Set(catalogue.map((e) => e.server))].sort();
		const lines = ["servers/"];
		for (const s of servers) {
			lines.push(byTool ? `  ${s}/` : `  ${s}.pyi`);
			if (byTool)
				catalogue.filter((e) => e.server === s).map((e) => this.name(e.tool.name)).sort()
					.forEach((n) => lines.push(`    ${n}.pyi`));
		}
		return (byTool ? 55 : 42) + tokens(lines.join("\n"));
	},

	// What a run shows: printed lines (with `echo` each nested call's raw result is one), the value indented by
	// two, the servers, and a note.
	result(run, echo, neutral, servers) {
		const lines = echo ? run.calls.map((c) =>
			`[TOOL] ${c.server}.${this.name(c.tool)} raw response: ${JSON.stringify(neutral(c.text))}`) : [];
		return (lines.length ? 8 + tokens(lines.join("\n")) : 4) + 5 + tokens(neutral(JSON.stringify(run.value, null, 2))) +
			31 + tokens(servers.join(", "));
	},
};

// ---- FastMCP ----
export const fastmcp = {
	definitions: 169 + 118 + 99, // search, get_schema, execute
	hits: (found, all) => `${found.length} of ${all} tools:\n\n` +
		found.map(({ server, tool }) => `- ${server}_${tool.name}: ${tool.description ?? ""}`).join("\n"),
	schema({ server, tool }) {
		const required = new Set(tool.inputSchema?.required ?? []);
		return `### ${server}_${tool.name}\n\n${tool.description ?? ""}\n\n**Parameters**\n` +
			Object.entries(tool.inputSchema?.properties ?? {}).map(([k, s]) =>
				`- \`${k}\` (${s.type ?? "any"}${required.has(k) ? ", required" : ""})`).join("\n");
	},
};

// ---- Cloudflare ----
export const cloudflare = {
	definitions: 649,

	type(s, indent = "") {
		if (!s || typeof s !== "object") return "unknown";
		if (s.enum) return s.enum.map((e) => JSON.stringify(e)).join(" | ");
		if ("const" in s) return JSON.stringify(s.const);
		const union = s.anyOf ?? s.oneOf;
		if (union) return union.map((u) => this.type(u, indent)).join(" | ");
		if (Array.isArray(s.type)) return s.type.map((t) => this.type({ ...s, type: t }, indent)).join(" | ");
		if (s.type === "array") {
			const item = this.type(s.items, indent);
			return item.includes(" | ") ? `(${item})[]` : item + "[]";
		}
		if (s.type === "object" || s.properties) return this.members(s, indent);
		return { string: "string", number: "number", integer: "number", boolean: "boolean", null: "null" }[s.type] ?? "unknown";
	},

	members(s, indent) {
		const required = new Set(s.required ?? []);
		const lines = Object.entries(s.properties ?? {}).map(([k, v]) =>
			(v.description ? `${indent}    /** ${v.description} */\n` : "") +
			`${indent}    ${/^\w+$/.test(k) ? k : JSON.stringify(k)}${required.has(k) ? "" : "?"}: ${this.type(v, indent + "    ")};`);
		return lines.length ? `{\n${lines.join("\n")}\n${indent}}` : "Record<string, unknown>";
	},

	// What `describe` gives for one tool.
	describe({ server, tool }) {
		const name = tool.name.replace(/(^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, __, c) => c.toUpperCase());
		return { path: `${server}.${tool.name}`, description: tool.description, kind: "method",
			types: `type ${name}Input = ${this.type(tool.inputSchema)}\n` +
				`type ${name}Output = ${tool.outputSchema ? this.type(tool.outputSchema) : "unknown"}` };
	},

	discovery: (query) => "async () => { const out = []; for (const q of " + JSON.stringify(query.split("; ")) +
		") { const m = await codemode.search(q); out.push(await codemode.describe(m.results[0].path)); } return out; }",
	found: (entries) => ({ status: "completed", executionId: "exec_0123456788", result: entries.map((e) => cloudflare.describe(e)) }),

	result(run, withCalls) {
		const r = { status: "completed", executionId: "exec_0123456789", result: run.value };
		if (withCalls)
			r.calls = run.calls.map((c, seq) => ({ seq, connector: c.server, method: c.tool, args: c.args, result: c.value,
				requiresApproval: false, state: "applied" }));
		return JSON.stringify(r);
	},
};

export const total = (catalogue) => sum(catalogue, (e) => tokens(classicDefinition(e)));
