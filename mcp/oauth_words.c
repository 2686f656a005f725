/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_words - the small texts of OAuth: a scope's words, a challenge's parameters, the code of an
 * error.  Nothing here knows of a server or a token.
 */
#include "base/json.h"
#include "mcp/oauth_private.h"

void
oauth_error_text(struct buf *out, int status, struct str body, struct str *code)
{
	struct str raw, word = STR("");
	struct err e;

	if (json_check(body, true, &e) && json_get(body, STR("error"), &raw) && raw.n > 2 &&
	    raw.n < 42 && json_kind(raw) == JSON_STRING)
		word = (struct str){ raw.p + 1, raw.n - 2 };
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] != '_' && (word.p[i] < 'a' || word.p[i] > 'z'))
			word = STR("");
	buf_printf(out, "HTTP %d", status);
	if (word.n > 0)
		buf_printf(out, " " STR_FMT, STR_ARG(word));
	if (code != NULL)
		*code = word;
}

void
scope_add(struct buf *out, struct str more)
{
	while (more.p != NULL) {
		struct str word = str_cut(&more, ' '), have = buf_str(out);
		bool there = word.n == 0;

		while (!there && have.p != NULL)
			there = str_eq(str_cut(&have, ' '), word);
		if (there)
			continue;
		if (out->n > 0)
			buf_putc(out, ' ');
		buf_put(out, word);
	}
}

bool
scope_within(struct str wanted, struct str asked)
{
	struct buf b;
	bool within;
	size_t n;

	buf_init(&b, OAUTH_SCOPE_MAX * 2);
	scope_add(&b, asked);
	n = b.n;
	scope_add(&b, wanted);
	within = b.n == n;
	buf_fini(&b);
	return within;
}

bool
challenge_get(struct str h, const char *name, struct buf *out)
{
	struct str want = str_of(name);

	buf_reset(out);
	for (size_t i = 0; i + want.n + 1 < h.n; i++) {
		bool starts = i == 0 || h.p[i - 1] == ' ' || h.p[i - 1] == ',';
		size_t at = i + want.n + 1;
		bool quoted;

		if (!starts || h.p[at - 1] != '=' ||
		    !str_ieq((struct str){ h.p + i, want.n }, want))
			continue;
		quoted = at < h.n && h.p[at] == '"';
		for (at += quoted; at < h.n; at++) {
			if (quoted ? h.p[at] == '"' : (h.p[at] == ',' || h.p[at] == ' '))
				break;
			if (quoted && h.p[at] == '\\' && at + 1 < h.n)
				at++;
			buf_putc(out, h.p[at]);
		}
		return buf_ok(out) && out->n > 0;
	}
	return false;
}
