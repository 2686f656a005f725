/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of hostile schemas.  With an odd first byte the rest is the schema's text; else the
 * bytes are choices of a small grammar that makes schemas out of the keywords that matter, so that
 * references, unions and nesting are reached.  Oracle: one line without control characters,
 * bounded, the same when asked again; names are Lua identifiers; a stub for editors is comments and
 * one function; checking arguments against it ends.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "codemode/signature.h"
#include "codemode/stubs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define DEPTH_MOST 12

struct dice {
	const uint8_t *p, *end;
};

static unsigned
roll(struct dice *d, unsigned n)
{
	return d->p < d->end ? *d->p++ % n : 0;
}

static const char *const names[] = { "a", "id", "end", "a-b", "\\u0000", "", "\\n", "type",
	"properties", "$ref", "naïve", "0", "a b", "__index", "nil" };
static const char *const words[] = { "string", "integer", "number", "boolean", "object", "array",
	"null", "any", "" };
static const char *const references[] = { "#", "#/$defs/a", "#/$defs/end", "#/definitions/a",
	"#/properties/a", "http://x/y", "#/", "#a", "" };

static void put_schema(struct buf *b, struct dice *d, int depth);

static void
put_value(struct buf *b, struct dice *d, int depth)
{
	static const char *const values[] = { "null", "true", "1", "-1.5e300", "\"x\"",
		"\"\\u0000\\n]]\"", "[]", "{}", "9223372036854775807", "\"--\"" };

	if (roll(d, 8) == 0)
		put_schema(b, d, depth + 1);
	else
		buf_puts(b, values[roll(d, sizeof(values) / sizeof(*values))]);
}

static void
put_list(struct buf *b, struct dice *d, int depth, bool schemas)
{
	buf_putc(b, '[');
	for (unsigned i = 0, k = roll(d, 20); i < k; i++) {
		if (i > 0)
			buf_putc(b, ',');
		if (schemas)
			put_schema(b, d, depth + 1);
		else
			put_value(b, d, depth + 1);
	}
	buf_putc(b, ']');
}

static void
put_named(struct buf *b, struct dice *d, int depth)
{
	unsigned first = roll(d, 15);

	buf_putc(b, '{');
	for (unsigned i = 0, k = roll(d, 15); i < k; i++) {
		buf_printf(b, "%s\"%s\":", i > 0 ? "," : "", names[(first + i) % 15]);
		put_schema(b, d, depth + 1);
	}
	buf_putc(b, '}');
}

static void
put_member(struct buf *b, struct dice *d, int depth, unsigned which)
{
	static const char *const plain[] = { "default", "const", "title", "format", "pattern",
		"minimum", "maximum", "description", "nullable", "required",
		"additionalProperties" };

	if (which == 0)
		buf_printf(b, "\"type\":\"%s\"", words[roll(d, 9)]);
	else if (which == 1)
		buf_printf(b, "\"type\":[\"%s\",\"%s\"]", words[roll(d, 9)], words[roll(d, 9)]);
	else if (which == 2)
		buf_printf(b, "\"$ref\":\"%s\"", references[roll(d, 9)]);
	else if (which == 3)
		buf_puts(b, "\"properties\":"), put_named(b, d, depth);
	else if (which == 4)
		buf_puts(b, "\"$defs\":"), put_named(b, d, depth);
	else if (which == 5)
		buf_puts(b, "\"items\":"), put_schema(b, d, depth + 1);
	else if (which == 6)
		buf_puts(b, "\"prefixItems\":"), put_list(b, d, depth, true);
	else if (which == 7)
		buf_puts(b, "\"enum\":"), put_list(b, d, depth, false);
	else if (which == 8)
		buf_puts(b, "\"anyOf\":"), put_list(b, d, depth, true);
	else if (which == 9)
		buf_puts(b, "\"oneOf\":"), put_list(b, d, depth, true);
	else if (which == 10)
		buf_puts(b, "\"allOf\":"), put_list(b, d, depth, true);
	else if (which == 11)
		buf_printf(
		    b, "\"required\":[\"%s\",\"%s\"]", names[roll(d, 15)], names[roll(d, 15)]);
	else
		buf_printf(b, "\"%s\":", plain[which - 12]), put_value(b, d, depth);
}

static void
put_schema(struct buf *b, struct dice *d, int depth)
{
	unsigned first = roll(d, 23), k = depth > DEPTH_MOST ? 0 : roll(d, 6);

	if (k == 5 && roll(d, 4) == 0) {
		buf_puts(b, roll(d, 2) == 0 ? "true" : "false");
		return;
	}
	buf_putc(b, '{');
	for (unsigned i = 0; i < k; i++) {
		if (i > 0)
			buf_putc(b, ',');
		put_member(b, d, depth, (first + i * 5) % 23);
	}
	buf_putc(b, '}');
}

static void
check_line(struct str s)
{
	if (s.n > SIGNATURE_BYTES_MAX)
		abort();
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			abort();
}

/* Comments, and one function. */
static void
check_stub(const struct tool *t, struct str learned)
{
	struct str rest, line;
	struct buf b;

	buf_init(&b, 4 << 20);
	stub_put(&b, t, learned);
	rest = buf_str(&b);
	while (rest.p != NULL && rest.n > 0) {
		line = str_cut(&rest, '\n');
		if (line.n > 0 && !str_starts(line, STR("---")) &&
		    !str_eq(line, STR("function se_rver.to_ol(args) end")))
			abort();
		for (size_t i = 0; i < line.n; i++)
			if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
				abort();
	}
	buf_fini(&b);
}

static void
check_tool(const struct tool *t, struct str args)
{
	struct buf one, two;
	struct err e = { .code = ERR_NONE };

	buf_init(&one, 4 << 20);
	buf_init(&two, 4 << 20);
	signature_put(&one, t, true);
	signature_put(&two, t, true);
	check_line(buf_str(&one));
	if (!str_eq(buf_str(&one), buf_str(&two)))
		abort();
	buf_reset(&one);
	signature_put(&one, t, false);
	check_line(buf_str(&one));
	buf_reset(&one);
	signature_put_full(&one, t, STR("{id:integer}"));
	check_stub(t, args);
	buf_reset(&one);
	if (json_kind(args) == JSON_OBJECT && json_check(args, true, &e))
		(void)tool_check_args(t, args, &one);
	buf_fini(&one);
	buf_fini(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tool t = { .server = STR("se-rver"),
		.name = STR("to.ol"),
		.script_server = STR("se_rver"),
		.script_name = STR("to_ol"),
		.description = STR("Does\na thing.\tAnd more.") };
	struct dice d;
	struct buf in, out;
	struct err e = { .code = ERR_NONE };

	if (n < 2 || n > 20000)
		return 0;
	d = (struct dice){ data + 1, data + n };
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	if (data[0] % 2 == 1) {
		buf_put(&in, (struct str){ (const char *)data + 1, n - 1 });
		t.description = buf_str(&in);
	} else {
		put_schema(&in, &d, 0);
		put_schema(&out, &d, 0);
	}
	/* The hub keeps only what is JSON, with keys that come once. */
	if (buf_ok(&in) && buf_ok(&out) && json_check(buf_str(&in), true, &e) &&
	    (out.n == 0 || json_check(buf_str(&out), true, &e))) {
		t.input_schema = buf_str(&in);
		t.output_schema = buf_str(&out);
		check_tool(&t, buf_str(&out));
	}
	buf_fini(&in);
	buf_fini(&out);
	return 0;
}
