/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lua_lex - whatever a script is: tokens cover it in order without overlap, what Lua itself
 * compiles comes back as it was (unless it has names of other languages, or what may be a comment
 * there), a rewritten one has the same number of lines and keeps its limit.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "codemode/failure.h"
#include "codemode/lenient.h"
#include "codemode/lint.h"
#include "codemode/outline.h"
#include "codemode/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT ((size_t)128 << 10)

static size_t
count_lines(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

static bool
is_program(struct str text)
{
	static lua_State *L;
	bool is;

	if (L == NULL)
		L = luaL_newstate();
	is = luaL_loadbufferx(L, text.p, text.n, "=script", "t") == LUA_OK;
	lua_settop(L, 0);
	return is;
}

/* Names of other languages, which may be taken for what they are there. */
static bool
has_names(const struct lua_tokens *s)
{
	static const char *const names[] = { "continue", "elif", "elsif", "elseIf", "const", "let",
		"var", "await", "async", "null" };

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < COUNT(names); k++)
			if (str_eq(lua_token_text(s, i), str_of(names[k])))
				return true;
	return false;
}

static const struct tool *
find(void *ctx, size_t i)
{
	static struct tool t;

	(void)ctx;
	(void)i;
	t = (struct tool){ .server = STR("x"),
		.name = STR("y"),
		.script_server = STR("x"),
		.script_name = STR("y"),
		.input_schema =
		    STR("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
			"\"required\":[\"a\"],\"additionalProperties\":false}") };
	return &t;
}

static void
put_signature(void *ctx, const struct tool *tool, struct buf *out)
{
	(void)ctx;
	signature_put(out, tool, false);
}

static void
called(void *ctx, const struct tool *tool, uint32_t line)
{
	(void)ctx;
	ASSERT(tool != NULL && line >= 1);
}

static void
global(void *ctx, struct str name, uint32_t line)
{
	(void)ctx;
	ASSERT(name.n > 0 && line >= 1);
}

static void
lint_and_tell(struct str text, const struct lua_tokens *s, const struct lenient *l)
{
	static const struct sandbox_tool names[] = { { { "x", 1 }, { "y", 1 } } };
	struct lint_tools tools = { names, 1, find, put_signature, called, global, NULL };
	struct lint_finding found[LINT_FINDINGS_MAX];
	size_t n = lint_check(text, &tools, found);
	struct buf out;

	for (size_t i = 0; i < n; i++) {
		ASSERT(found[i].line >= 1 && found[i].line <= s->t[s->n - 1].line);
		buf_fini(&found[i].text);
	}
	buf_init(&out, 0);
	for (int end = SANDBOX_COMPILE; end <= SANDBOX_RUNTIME; end++)
		failure_put(&(struct failure){ (enum sandbox_end)end,
				STR("script:1: undefined global 'q' expected near 'end'"), text,
				text, l, NULL, NULL },
		    &out);
	ASSERT(out.n < 4000);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct lua_tokens s;
	struct outline o;
	struct lenient l;
	struct buf out;
	size_t at = 0, joined = 0;
	bool changed;

	if (size > LIMIT)
		return 0;
	lua_tokens_init(&s, text);
	outline_init(&o, &s);
	for (size_t i = 0; i < s.n; i++) {
		ASSERT(s.t[i].at >= at);
		at = s.t[i].at + s.t[i].n;
		ASSERT(at <= size);
		ASSERT(o.pair[i] == NOWHERE || o.pair[o.pair[i]] == i);
		ASSERT(o.parent[i] == NOWHERE || o.parent[i] < i);
		joined += s.t[i].word == W_ELSE || s.t[i].word == W_HASH || s.t[i].word == W_IDIV;
	}
	ASSERT(s.n > 0 && s.t[s.n - 1].kind == TOKEN_END);
	buf_init(&out, 0);
	changed = lenient_fix(text, LIMIT, &out, &l);
	ASSERT(changed == (out.n > 0));
	ASSERT(out.n <= LIMIT);
	if (changed)
		ASSERT(count_lines(buf_str(&out)) == count_lines(text) || memchr(data, '`', size));
	if (changed && s.first_bad == s.n && !has_names(&s) && joined == 0)
		ASSERT(!is_program(text));
	lint_and_tell(text, &s, &l);
	buf_fini(&out);
	outline_fini(&o);
	lua_tokens_fini(&s);
	return 0;
}
