// SPDX-License-Identifier: Apache-2.0
//
// search - the tool search that the other forms are given: BM25 over name, server and description.  Ours is the
// gateway's own and does not come from here.
const words = (s) => (s ?? "").replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/)
	.filter((w) => w.length > 1).map((w) => w.replace(/(ies)$/, "y").replace(/(ing|ed|es|s)$/, ""));

export function searcher(catalogue) {
	const docs = catalogue.map((entry) => {
		const tf = new Map();
		const add = (list, weight) => list.forEach((w) => tf.set(w, (tf.get(w) ?? 0) + weight));
		add(words(entry.server), 2);
		add(words(entry.tool.name), 4);
		add(words(entry.tool.description).slice(0, 60), 1);
		const old = /deprecated/i.test(entry.tool.description ?? "") ? 0.3 : 1;
		return { entry, tf, old, length: [...tf.values()].reduce((a, b) => a + b, 0) };
	});
	const mean = docs.reduce((a, d) => a + d.length, 0) / docs.length;
	const idf = (w) => {
		const df = docs.filter((d) => d.tf.has(w)).length;
		return Math.log(1 + (docs.length - df + 0.5) / (df + 0.5));
	};
	const one = (query) => {
		const wanted = [...new Set(words(query))].map((w) => [w, idf(w)]);
		return docs.map((d) => [d, wanted.reduce((sum, [w, i]) => {
			const f = d.tf.get(w) ?? 0;
			return sum + i * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * d.length / mean));
		}, 0) * d.old]).filter(([, score]) => score > 0).sort((a, b) => b[1] - a[1]).map(([d]) => d.entry);
	};
	// Several needs, divided by ";", share the k places.
	return (query, k) => {
		const needs = query.split(";");
		const out = new Set();
		for (const need of needs) one(need).slice(0, Math.ceil(k / needs.length)).forEach((e) => out.add(e));
		return [...out].slice(0, k);
	};
}
