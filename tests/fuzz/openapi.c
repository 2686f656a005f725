/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an API's document: every tool that comes of it is one JSON object with a usable
 * name, and no argument changes where its request goes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "mcp/openapi.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* As many slashes, dots and marks as an attacker likes, in every argument. */
static void
request_check(const struct openapi_operation *op)
{
	struct openapi_request r;
	struct buf args;
	struct err e;
	size_t slashes = 0, want = 0;

	buf_init(&args, 0);
	buf_puts(&args, "{\"body\":{\"a\":1}");
	for (size_t i = 0; i < op->params_n; i++) {
		buf_putc(&args, ',');
		buf_json_str(&args, op->params[i].argument);
		buf_puts(&args, ":\"../x?y=1&z#\\r\\n%2f \"");
	}
	buf_putc(&args, '}');
	if (json_check(buf_str(&args), false, &e) &&
	    openapi_request(op, STR("/base"), buf_str(&args), &r, &e)) {
		must(str_starts(buf_str(&r.target), STR("/base/")));
		for (size_t i = 0; i < r.target.n && r.target.p[i] != '?'; i++)
			slashes += r.target.p[i] == '/';
		for (size_t i = 0; i < op->path.n && op->path.p[i] != '?'; i++)
			want += op->path.p[i] == '/';
		must(slashes <= want + 1); /* names in braces may have some, too */
		for (size_t i = 0; i < r.n; i++)
			must(memchr(r.h[i].value.p, '\n', r.h[i].value.n) == NULL);
		openapi_request_fini(&r);
	}
	buf_fini(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct openapi *o;
	struct err e;

	o = openapi_read("api.yaml", (struct str){ (const char *)data, size }, &e);
	if (o == NULL)
		return 0;
	for (size_t i = 0; i < o->n; i++) {
		const struct openapi_operation *op = &o->operations[i];
		struct str v;

		must(json_check(op->definition, false, &e));
		must(json_get(op->definition, STR("name"), &v) && json_string_is(v, op->tool));
		must(op->tool.n > 0 && op->tool.n <= 64);
		must(openapi_find(o, op->tool) == op);
		request_check(op);
	}
	openapi_free(&o);
	return 0;
}
