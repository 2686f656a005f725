/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures: what a schema becomes, exactly (signature.table: a sentence, a definition, its line),
 * and what holds for any schema: one line of UTF-8, never longer than it may be.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "codemode/signature.h"
#include "mcp/catalog.h"
#include "tests/unit/check.h"

static const struct tool *
tool_of(struct toolset *s, struct str definition)
{
	struct err e;
	const struct tool *t;

	CHECK(json_check(definition, true, &e));
	t = toolset_add(s, definition);
	CHECK(t != NULL);
	return t;
}

static void
one(const char *sentence, struct str definition, const char *want)
{
	struct toolset *s = toolset_new(STR("srv"));
	const struct tool *t = tool_of(s, definition);
	struct buf b;

	TEST(sentence);
	buf_init(&b, 0);
	if (t != NULL)
		signature_put(&b, t, true);
	CHECK_STR(buf_str(&b), want);
	buf_fini(&b);
	toolset_free(&s);
}

static void
test_table(void)
{
	FILE *f = fopen("tests/unit/signature.table", "r");
	char *line = NULL, *sentence = NULL, *definition = NULL;
	size_t cap = 0, rows = 0;
	ssize_t n;

	TEST("the table can be read");
	CHECK(f != NULL);
	while (f != NULL && (n = getline(&line, &cap, f)) > 0) {
		line[n - 1] = '\0';
		if (line[0] == '#') {
			sentence = str_dup(str_of(line + 2));
		} else if (line[0] == '{') {
			definition = str_dup(str_of(line));
		} else if (line[0] != '\0' && sentence != NULL && definition != NULL) {
			one(sentence, str_of(definition), line);
			rows++;
			free(sentence);
			free(definition);
			sentence = definition = NULL;
		}
	}
	TEST("the table has its rows");
	CHECK(rows >= 60);
	free(line);
	if (f != NULL)
		(void)fclose(f);
}

static void
test_wrappers(void)
{
	static const char definition[] = "{\"name\":\"x\",\"outputSchema\":{\"type\":\"object\","
					 "\"properties\":{\"content\":{\"type\":\"string\"}}}}";
	static const char *const servers[] = { "srv", "snippets" };
	static const char *const want[] = { "srv.x{} -> string",
		"snippets_.x{} -> {content:string}" };

	TEST("what a server wraps is unwrapped, what a snippet returns is what it says");
	for (size_t i = 0; i < 2; i++) {
		struct toolset *s = toolset_new(str_of(servers[i]));
		const struct tool *t = tool_of(s, str_of(definition));
		struct buf b;

		buf_init(&b, 0);
		signature_put(&b, t, false);
		CHECK_STR(buf_str(&b), want[i]);
		buf_fini(&b);
		toolset_free(&s);
	}
}

static void
test_names(void)
{
	struct toolset *s = toolset_new(STR("map"));
	const struct tool *t;
	struct buf b;

	buf_init(&b, 0);
	TEST("a server that is called as a function of scripts gets another name there");
	t = tool_of(s, STR("{\"name\":\"find\"}"));
	signature_put_path(&b, t);
	CHECK_STR(buf_str(&b), "map_.find");
	toolset_free(&s);

	TEST("two names that fold to one keep apart, whichever comes first");
	s = toolset_new(STR("my-srv"));
	(void)tool_of(s, STR("{\"name\":\"a-b\"}"));
	t = tool_of(s, STR("{\"name\":\"a_b\"}"));
	buf_reset(&b);
	signature_put_path(&b, t);
	CHECK(str_starts(buf_str(&b), STR("my_srv.a_b_")));
	CHECK_EQ_I(b.n, sizeof("my_srv.a_b_123456") - 1);
	buf_fini(&b);
	toolset_free(&s);
}

static void
test_full(void)
{
	struct toolset *s = toolset_new(STR("srv"));
	const struct tool *t = tool_of(
	    s, STR("{\"name\":\"t\",\"description\":\"One. Two.\\n\\nsrv.fake{}\",\"inputSchema\":{"
		   "\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"description\":"
		   "\"the\\nfirst\"},\"b-c\":{\"description\":\"the second\"},\"d\":{}}}}"));
	struct buf b;

	TEST("the whole documentation keeps its paragraphs, away from the margin");
	buf_init(&b, 0);
	signature_put_full(&b, t, STR(""));
	CHECK_STR(buf_str(&b), "srv.t{a?:string, [\"b-c\"]?:any, d?:any}\n  One. Two.\n  \n"
			       "  srv.fake{}\n  a: the first\n  [\"b-c\"]: the second");
	buf_fini(&b);
	toolset_free(&s);
}

static void
learned(const char *schema, const char *want)
{
	struct toolset *s = toolset_new(STR("srv"));
	const struct tool *t = tool_of(s, STR("{\"name\":\"t\"}"));
	struct buf b;

	buf_init(&b, 0);
	signature_put_learned(&b, t, str_of(schema), false);
	CHECK_STR(buf_str(&b), want);
	buf_fini(&b);
	toolset_free(&s);
}

#define S "{\"type\":\"string\"}"

static void
test_learned(void)
{
	TEST("what was learned is marked");
	learned("{\"type\":\"string\"}", "srv.t{} -> ~string");
	learned("{}", "srv.t{}");
	learned("{\"type\":\"object\",\"properties\":{\"a\":" S ",\"b\":" S
		"},\"required\":[\"a\"]}",
	    "srv.t{} -> ~{a:string, b?:string}");
	TEST("keys of which none is always there are those of the calls, not of the tool");
	learned("{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"a\":" S
		",\"b\":" S ",\"c\":" S ",\"d\":" S "},\"required\":[]}}",
	    "srv.t{} -> ~table[]");
	learned("{\"type\":\"object\",\"properties\":{\"a\":" S ",\"b\":" S ",\"c\":" S
		"},\"required\":[]}",
	    "srv.t{} -> ~{a?:string, b?:string, c?:string}");
	learned("{\"type\":\"object\",\"properties\":{\"a\":" S ",\"b\":" S ",\"c\":" S ",\"d\":" S
		"},\"required\":[\"d\"]}",
	    "srv.t{} -> ~{a?:string, b?:string, c?:string, d:string}");
}

/* ---- any schema ---- */

static uint64_t seed = 88172645463325252ull;

static unsigned
roll(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void
word_put(struct buf *b)
{
	static const char *const words[] = { "id", "n\\u00e9e", "x-y", "end", "a\\nb", "\\u2028",
		"\\u202e", "\xf0\x9f\x92\xa9", "e", "longer_name_of_a_field_that_goes_on_and_on",
		"\\\"quoted\\\"", "ümlaut" };

	buf_printf(b, "\"%s%u\"", words[roll(COUNT(words))], roll(40));
}

static void schema_put(struct buf *b, int depth);

// NOLINTNEXTLINE(misc-no-recursion)
static void
list_put(struct buf *b, int depth)
{
	buf_putc(b, '[');
	for (unsigned i = 0, n = roll(12); i < n; i++) {
		if (i > 0)
			buf_putc(b, ',');
		schema_put(b, depth - 1);
	}
	buf_putc(b, ']');
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
properties_put(struct buf *b, int depth)
{
	unsigned n = roll(roll(8) == 0 ? 90 : 8);

	buf_putc(b, '{');
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(b, ',');
		buf_printf(b, "\"%u", i);
		word_put(b);
		b->p[b->n - 1] = '"';
		/* one string of both: drop the quote in the middle */
		for (size_t k = b->n - 2; k > 0; k--)
			if (b->p[k] == '"' && b->p[k - 1] != '\\') {
				b->p[k] = '_';
				break;
			}
		buf_putc(b, ':');
		schema_put(b, depth - 1);
	}
	buf_putc(b, '}');
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
schema_put(struct buf *b, int depth)
{
	static const char *const leaves[] = {
		"true", "false", "{}", "{\"type\":\"string\"}",
		"{\"type\":[\"integer\",\"null\"],\"default\":5}", "{\"$ref\":\"#\"}",
		"{\"$ref\":\"#/properties\"}", "{\"$ref\":\"#/$defs/A\"}", "{\"const\":null}",
		"{\"enum\":[1,\"\\u0001\",null,{\"a\":[]}]}", "{\"type\":\"array\"}", "7",
		"{\"enum\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaé\"]}"
	};

	if (depth <= 0) {
		buf_puts(b, leaves[roll(COUNT(leaves))]);
		return;
	}
	switch (roll(6)) {
	case 0:
		buf_puts(b, "{\"type\":\"array\",\"items\":");
		schema_put(b, depth - 1);
		break;
	case 1:
		buf_printf(b, "{\"%s\":", roll(2) == 0 ? "anyOf" : "oneOf");
		list_put(b, depth);
		break;
	case 2:
		buf_puts(b, "{\"$ref\":\"#/$defs/B\",\"allOf\":");
		list_put(b, depth);
		break;
	case 3:
		buf_puts(b, "{\"prefixItems\":");
		list_put(b, depth);
		break;
	default:
		buf_puts(b, "{\"type\":\"object\",\"required\":[\"id\"],\"properties\":");
		properties_put(b, depth);
		if (roll(3) == 0) {
			buf_puts(b, ",\"additionalProperties\":");
			schema_put(b, depth - 1);
		}
	}
	buf_putc(b, '}');
}

static bool
one_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return memmem(s.p, s.n, "\xe2\x80\xa8", 3) == NULL &&
	       memmem(s.p, s.n, "\xe2\x80\xae", 3) == NULL;
}

static void
test_any(void)
{
	size_t made = 0, longest = 0;

	TEST("any schema is one line of UTF-8, never longer than it may be");
	for (int i = 0; i < 500; i++) {
		struct toolset *s = toolset_new(STR("srv"));
		struct buf d, line;
		struct err e;
		struct tool *t;

		buf_init(&d, (size_t)1 << 20);
		buf_init(&line, 0);
		buf_puts(&d, "{\"name\":\"t\",\"description\":");
		word_put(&d);
		buf_puts(&d, ",\"inputSchema\":{\"type\":\"object\",\"properties\":");
		properties_put(&d, 4);
		buf_puts(&d, ",\"$defs\":{\"A\":");
		schema_put(&d, 2);
		buf_puts(&d, ",\"B\":");
		schema_put(&d, 2);
		buf_puts(&d, "}},\"outputSchema\":{\"type\":\"object\",\"properties\":");
		properties_put(&d, 3);
		buf_puts(&d, "}}");
		if (!json_check(buf_str(&d), false, &e))
			CHECK_STR(str_of(e.text), "");
		t = d.n > 60000 ? NULL : toolset_add(s, buf_str(&d));
		if (t != NULL) {
			made++;
			signature_put(&line, t, true);
			longest = line.n > longest ? line.n : longest;
			if (!one_line(buf_str(&line)) || !str_utf8(buf_str(&line)) ||
			    line.n > SIGNATURE_BYTES_MAX)
				CHECK_STR(buf_str(&line), "");
		}
		buf_fini(&line);
		buf_fini(&d);
		toolset_free(&s);
	}
	CHECK(made > 250);
	CHECK(longest > 1000 && longest <= SIGNATURE_BYTES_MAX);
}

int
main(void)
{
	log_setup(LOG_LEVEL_ERROR, false);
	test_table();
	test_wrappers();
	test_names();
	test_full();
	test_learned();
	test_any();
	return check_done();
}
