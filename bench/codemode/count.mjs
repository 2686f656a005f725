// SPDX-License-Identifier: Apache-2.0
//
// count - what a conversation costs.  Every model request carries the tool definitions and all messages so far;
// input is the sum over its requests.  The price has prompt caching in it: what was in the request before is read
// (0.1), what is new is written (1.25), output is 5; the definitions are warm when the conversation begins.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { top } from "./office.mjs";

const dir = join(top, "build/codemode/tokenizer/node_modules/gpt-tokenizer");
const { encode } = await import(join(dir, "esm/encoding/o200k_base.js"));
export const tokenizer = "gpt-tokenizer " + JSON.parse(readFileSync(join(dir, "package.json"))).version + ", o200k_base";
export const SYSTEM = 20000; // a system prompt as large as Claude Code's, for the second price

export const tokens = (x) => {
	const text = typeof x === "string" ? x : JSON.stringify(x);
	return text ? encode(text, { disallowedSpecial: new Set() }).length : 0;
};
export const use = (name, input) => tokens({ name, input });
export const sum = (list, f = (x) => x) => list.reduce((a, x) => a + f(x), 0);

export class Conversation {
	constructor(definitions, prompt = "") {
		this.definitions = definitions;
		this.messages = tokens(prompt);
		this.requests = [];
	}

	says(prompt) {
		this.messages += tokens(prompt);
	}

	// One request: what the model writes, and the results that it is then told.
	turn(written, told) {
		this.requests.push({ input: this.definitions + this.messages, output: written });
		this.messages += written + told;
	}

	end(answer) {
		this.turn(tokens(answer), 0);
		return this;
	}

	price(system) {
		let cost = 0;
		let before = this.definitions + system;
		for (const r of this.requests) {
			const n = r.input + system;
			cost += 0.1 * Math.min(before, n) + 1.25 * Math.max(0, n - before) + 5 * r.output;
			before = n;
		}
		return Math.round(cost);
	}

	totals() {
		return { requests: this.requests.length, input: sum(this.requests, (r) => r.input),
			output: sum(this.requests, (r) => r.output), peak: Math.max(...this.requests.map((r) => r.input)),
			cost: this.price(0), cost20k: this.price(SYSTEM) };
	}
}
