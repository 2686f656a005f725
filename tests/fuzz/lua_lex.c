/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lua_lex - whatever a script is: tokens cover it in order without overlap, a source of Lua's own
 * tokens with none of the names that lenient.h knows comes back as it was, a rewritten one has the
 * same number of lines and keeps its limit.
 */
#include <stdlib.h>
#include <string.h>

#include "codemode/lenient.h"
#include "codemode/outline.h"

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
	if (s.first_bad == s.n && !has_names(&s) && joined == 0)
		ASSERT(!changed);
	buf_fini(&out);
	outline_fini(&o);
	lua_tokens_fini(&s);
	return 0;
}
