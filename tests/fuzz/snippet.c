/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - any bytes as a snippet.
 *
 * Whatever is taken has schemas that are JSON, a description and parameters that are one line of
 * plain text each, and a signature of one line that nothing in it can end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "codemode/signature.h"
#include "policies/snippet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
plain(struct str s, bool lines)
{
	if (!str_utf8(s))
		abort();
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t' && !(lines && s.p[i] == '\n'))
			abort();
}

static void
signature(const struct snippet *s)
{
	struct tool t = { .script_server = STR("snippets"),
		.script_name = STR("x"),
		.description = s->description,
		.input_schema = s->input_schema,
		.output_schema = s->output_schema };
	struct buf b;

	buf_init(&b, SIGNATURE_BYTES_MAX);
	signature_put(&b, &t, true);
	if (!buf_ok(&b) || !str_starts(buf_str(&b), STR("snippets.x{")))
		abort();
	plain(buf_str(&b), false);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct snippet s = { .source = { (const char *)data, n } };
	struct err e;
	struct problems p = { .first = &e };
	struct arena a;

	if (n > SNIPPET_BYTES_MAX)
		return 0;
	err_clear(&e);
	arena_init(&a, (size_t)4 << 20);
	if (snippet_head_read(&p, "f.lua", &a, &s)) {
		if (!json_check(s.input_schema, true, &e) ||
		    (s.output_schema.n > 0 && !json_check(s.output_schema, true, &e)) ||
		    s.description.n == 0 || s.description.n > 1000)
			abort();
		plain(s.description, true);
		for (size_t i = 0; i < s.params_n; i++) {
			plain(s.params[i].name, false);
			plain(s.params[i].text, false);
			plain(s.params[i].type, false);
		}
		signature(&s);
	} else if (p.errors == 0) {
		abort();
	}
	arena_free(&a);
	return 0;
}
