/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the front-end costs the gateway's loop: sources of 128 KiB that repeat whatever is looked
 * around from, and a tool whose definition is as long as one may be.  All passes are linear, or
 * have a named limit; one that is not takes seconds here.
 */
#include <stdlib.h>
#include <time.h>

#include "codemode/lenient.h"
#include "codemode/lint.h"
#include "codemode/signature.h"
#include "tests/unit/check.h"

#define SOURCE_BYTES ((size_t)128 << 10)
#define SCHEMA_BYTES ((size_t)60 << 10)
#define MOST_MS      2000 /* of processor time; 110 at most on a slow machine, more with sanitizers */

static struct tool tool = { .server = STR("x"), .name = STR("y") };

static const struct tool *
find(void *ctx, size_t i)
{
	(void)ctx;
	(void)i;
	return &tool;
}

static void
put_signature(void *ctx, const struct tool *t, struct buf *out)
{
	(void)ctx;
	signature_put(out, t, false);
}

static int64_t
cpu_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
global(void *ctx, struct str name, uint32_t line)
{
	(void)ctx;
	(void)name;
	(void)line;
}

/* `piece` as often as it fits, behind `first`. */
static void
costs(const char *first, const char *piece)
{
	static const struct sandbox_tool names[] = { { STR("x"), STR("y") } };
	struct lint_tools t = { names, 1, find, put_signature, NULL, global, NULL };
	struct lint_finding found[LINT_FINDINGS_MAX];
	struct lenient l;
	struct buf source, out;
	int64_t from, spent;
	size_t n;

	buf_init(&source, 0);
	buf_init(&out, 0);
	buf_puts(&source, first);
	while (source.n + strlen(piece) <= SOURCE_BYTES)
		buf_puts(&source, piece);
	from = cpu_ms();
	(void)lenient_fix(buf_str(&source), SOURCE_BYTES, &out, &l);
	n = lint_check(buf_str(&source), &t, found);
	spent = cpu_ms() - from;
	for (size_t i = 0; i < n; i++)
		buf_fini(&found[i].text);
	check_state.name = piece;
	if (spent > MOST_MS)
		CHECK_EQ_I((long long)spent, MOST_MS);
	if (getenv("TIMES") != NULL)
		printf("  %4lld ms  %s%s\n", (long long)spent, first, piece);
	CHECK(spent <= MOST_MS);
	buf_fini(&source);
	buf_fini(&out);
}

/* The check of the real call, of arguments as large as a script may pass. */
static void
call_costs(const char *piece)
{
	struct buf args, why;
	int64_t from, spent;

	buf_init(&args, 0);
	buf_init(&why, 0);
	buf_putc(&args, '{');
	while (args.n < (size_t)1 << 20)
		buf_puts(&args, piece);
	buf_puts(&args, "\"z\":1}");
	from = cpu_ms();
	(void)tool_check_args(&tool, buf_str(&args), &why);
	spent = cpu_ms() - from;
	check_state.name = piece;
	CHECK(spent <= MOST_MS);
	if (getenv("TIMES") != NULL)
		printf("  %4lld ms  call %s\n", (long long)spent, piece);
	buf_fini(&args);
	buf_fini(&why);
}

int
main(void)
{
	static const char *const pieces[] = { "(", "{", "[", "[=", "[==[", "]=", "--[", "a.b", ".a",
		"a[", "a(", "f(a)", "f()[1]", "a=", "a,", "a,b=", "x += ", "x += y ", "x += (",
		"a[b] += ", "- ", "not ", "x == null ", "f(x) == null and ", "x(y == null)",
		"if x then ", "else if ", "elif x then ", "continue ", "while x do continue ",
		"for i in x do continue end ", "repeat continue until x ", "local x ", "let x = 1 ",
		"await x ", "`", "```\n", "```lua\n", "# ", "// ", "a // b c d ", "'", "'\\",
		"\"\\z ", "0x", "1..", "1e", "\xc2\xa0", "\xff", "\r", "::a::", "goto a ",
		"function ", "function() ", "function f(", "end ", "x.y", "x.y{", "x.y{} ",
		"x.z{} ", "x.y{a=1,", "x.y{a=1} ", "x.y{q=1,w=2,e=3,r=4} ", "x.y() ", "x.y'' ",
		"call('x.y') ", "call('x.z', {", "pcall(", "pcall(x.y)", "pcall(function() ",
		"pcall(function() f() end) ", "pmap(", "x.q ", "_ENV ",
		"x.y{p999=1,p999=1,p999=1,p999=1,p999=1} ", "q=1," };
	struct buf schema;

	buf_init(&schema, 0);
	buf_puts(&schema, "{\"type\":\"object\",\"properties\":{\"p0\":{\"type\":\"integer\"}");
	for (int i = 1; schema.n < SCHEMA_BYTES; i++)
		buf_printf(&schema, ",\"p%d\":{\"anyOf\":[{\"type\":\"integer\"}]}", i);
	buf_puts(&schema, "}}");
	tool.input_schema = buf_str(&schema);
	tool.script_server = tool.server;
	tool.script_name = tool.name;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		costs("", pieces[i]);
		costs("x += ", pieces[i]);
	}
	costs("x.y{", "q=1,");
	costs("x.y{", "p999=1,");
	costs("x.y{", "{},");
	call_costs("\"q\":1,");
	call_costs("\"p999\":1,");
	buf_fini(&schema);
	return check_done();
}
