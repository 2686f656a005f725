/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pricefile - the table of prices as a file: decimal USD per million tokens.
 *
 *	version: 1
 *	date: 2026-11-01
 *	models:
 *	  claude-sonnet-4: { input: 3, output: 15, cache_write: 3.75, cache_read: 0.30,
 *	                     max_output: 64000 }
 *	tools:
 *	  search/web: 0.005
 *	  maps/route_*: 0.002
 *
 * Decimals become integers digit by digit; no floating point comes near money.
 */
#include <stdlib.h>

#include "base/file.h"
#include "policies/bundle.h"
#include "policies/prices.h"

#define PRICE_ROWS_MAX   4096
#define TOOL_ROWS_MAX    512
#define PRICE_FILE_BYTES ((size_t)1 << 20)
#define TREE_BYTES       (PRICE_FILE_BYTES * 160)
#define MAX_OUTPUT_MAX   10000000
#define DECIMALS         9 /* nano */

bool
usd_parse(struct str decimal, int64_t *out_nusd)
{
	int64_t v = 0;
	size_t whole = 0, decimals = 0;
	bool point = false;

	for (size_t i = 0; i < decimal.n; i++) {
		char c = decimal.p[i];

		if (c == '.' && !point && whole > 0) {
			point = true;
		} else if (c >= '0' && c <= '9') {
			if (point ? ++decimals > DECIMALS : ++whole > DECIMALS)
				return false;
			v = v * 10 + (c - '0'); /* at most 18 digits: fits */
		} else {
			return false;
		}
	}
	if (whole == 0 || (point && decimals == 0))
		return false;
	for (; decimals < DECIMALS; decimals++)
		v *= 10;
	*out_nusd = v;
	return true;
}

static bool
amount(struct problems *p, const struct yaml *y, int64_t *out)
{
	if (y->kind == YAML_SCALAR && usd_parse(y->text, out))
		return true;
	problem(p, y, "a price is USD per million tokens, like 3 or 0.075");
	return false;
}

static void
row_read(struct problems *p, struct yaml *y, struct price *out)
{
	static const char *const known[] = { "input", "output", "cache_write", "cache_read",
		"max_output", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "a price", known, later };
	struct yaml *input, *output, *max, *cache_write, *cache_read;
	struct err e;

	if (!keys_check(p, y, &keys))
		return;
	input = yaml_get(y, "input");
	output = yaml_get(y, "output");
	max = yaml_get(y, "max_output");
	cache_write = yaml_get(y, "cache_write");
	cache_read = yaml_get(y, "cache_read");
	if (input == NULL || output == NULL || max == NULL) {
		problem(p, y, "a price needs input, output and max_output");
		return;
	}
	if (!amount(p, input, &out->input_nusd) || !amount(p, output, &out->output_nusd))
		return;
	out->cache_write_nusd = out->cache_read_nusd = out->input_nusd;
	if (cache_write != NULL)
		(void)amount(p, cache_write, &out->cache_write_nusd);
	if (cache_read != NULL)
		(void)amount(p, cache_read, &out->cache_read_nusd);
	if (!yaml_i64(max, 1, MAX_OUTPUT_MAX, &out->max_output, &e))
		problem_err(p, &e);
}

static int
row_order(const void *a, const void *b)
{
	return str_cmp(((const struct price *)a)->model, ((const struct price *)b)->model);
}

static bool
date_ok(struct str s)
{
	if (s.n != 10)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (i == 4 || i == 7 ? s.p[i] != '-' : s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static void
rows_read(struct problems *p, struct arena *a, struct yaml *models, struct prices *out)
{
	struct price *rows;

	if (models == NULL || models->kind != YAML_MAP || models->n > PRICE_ROWS_MAX) {
		problem_at(p, models == NULL ? "prices" : models->file,
		    models == NULL ? 0 : models->line, models == NULL ? 0 : models->column,
		    "models: is a mapping of at most %d model ids", PRICE_ROWS_MAX);
		return;
	}
	rows = arena_zalloc(a, (models->n + 1) * sizeof(*rows));
	for (struct yaml *m = models->kids; m != NULL; m = m->next) {
		struct price *row = &rows[out->n++];

		row->model = arena_str(a, m->key);
		row->line = m->key_line;
		if (m->key.n == 0 || m->key.n > PATTERN_BYTES_MAX)
			problem(p, m, "a model id has 1 to %d bytes", PATTERN_BYTES_MAX);
		row_read(p, m, row);
	}
	if (out->n > 0)
		qsort(rows, out->n, sizeof(*rows), row_order);
	out->rows = rows;
}

static void
tools_read(struct problems *p, struct arena *a, struct yaml *tools, struct prices *out)
{
	struct tool_price *rows;

	if (tools->kind != YAML_MAP || tools->n > TOOL_ROWS_MAX) {
		problem(p, tools, "tools: is a mapping of at most %d tools to USD per call",
		    TOOL_ROWS_MAX);
		return;
	}
	rows = arena_zalloc(a, (tools->n + 1) * sizeof(*rows));
	for (struct yaml *m = tools->kids; m != NULL; m = m->next) {
		struct str server = m->key, tool = server, first = str_cut(&tool, '/');
		int64_t nusd;

		if (tool.n == 0 || first.n == 0 || server.n > PATTERN_BYTES_MAX)
			problem_key(p, m, "a tool is server/tool, like search/web or \"maps/*\"");
		else if (m->kind != YAML_SCALAR || !usd_parse(m->text, &nusd))
			problem(p, m, "the price of a tool is USD per call, like 0.005");
		else
			rows[out->tools_n++] = (struct tool_price){ arena_str(a, server), nusd };
	}
	out->tools = rows;
}

static void
doc_read(struct problems *p, struct arena *a, struct yaml *doc, struct prices *out)
{
	static const char *const known[] = { "version", "date", "models", "tools", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "a price table", known, later };
	struct yaml *version = yaml_get(doc, "version"), *date = yaml_get(doc, "date");
	struct yaml *tools = yaml_get(doc, "tools");
	struct err e;
	int64_t v;

	if (!keys_check(p, doc, &keys))
		return;
	if (version == NULL)
		problem(p, doc, "version is missing (write: version: 1)");
	else if (!yaml_i64(version, 1, 1, &v, &e))
		problem_err(p, &e);
	if (date == NULL || !date_ok(date->text))
		problem(p, date == NULL ? doc : date,
		    "date says when the table was true, like 2026-11-01");
	rows_read(p, a, yaml_get(doc, "models"), out);
	if (tools != NULL)
		tools_read(p, a, tools, out);
}

bool
prices_load(
    struct arena *a, const char *path, struct prices *out, struct buf *problems, struct err *e)
{
	struct problems p = { .out = problems, .first = e };
	struct arena tree;
	struct buf text;
	struct err why;

	*out = (struct prices){ 0 };
	buf_init(&text, 2 * PRICE_FILE_BYTES);
	arena_init(&tree, TREE_BYTES);
	err_clear(e);
	if (!file_read(path, PRICE_FILE_BYTES, &text, &why)) {
		problem_at(&p, path, 0, 0, "%s", why.text);
	} else {
		struct yaml *doc = yaml_parse(&tree, path, buf_str(&text), &why);

		if (doc == NULL)
			problem_err(&p, &why);
		else
			doc_read(&p, a, doc, out);
	}
	arena_free(&tree);
	buf_fini(&text);
	if (p.errors > 0)
		problems_sum(&p);
	return p.errors == 0;
}

const struct price *
prices_find(const struct prices *p, struct str model)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = str_cmp(model, p->rows[mid].model);

		if (d == 0)
			return &p->rows[mid];
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

int64_t
prices_tool(const struct prices *p, struct str name)
{
	int64_t dearest = 0;

	for (size_t i = 0; i < p->tools_n; i++) {
		if (str_eq(p->tools[i].name, name))
			return p->tools[i].nusd;
		if (str_star(p->tools[i].name, name) && p->tools[i].nusd > dearest)
			dearest = p->tools[i].nusd;
	}
	return dearest;
}
