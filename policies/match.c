/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match - the patterns of rules: `server/tool`, `any/tool`, `model:name`, `code:run`,
 * `prompt:server/name`, `resource:server/uri`, `hosted:web_search`, `hosted:mcp/host`,
 * `admin:key.create`.
 *
 * Only two things are special: `*`, any characters within its side, and `{a,b}`, either.  Braces
 * are expanded when the pattern is read (not nested, at most GLOB_ALTS_MAX alternatives), so
 * matching is a loop over plain `*` patterns.  Characters that other languages treat as special are
 * refused rather than taken literally: a deny that never matches is worse than an error.
 */
#include <string.h>

#include "policies/bundle.h"

bool
glob_match(const struct glob *g, struct str name)
{
	for (size_t i = 0; i < g->n; i++)
		if (str_star(g->alt[i], name))
			return true;
	return false;
}

static bool
char_ok(char c, struct err *e)
{
	unsigned char u = (unsigned char)c;

	if (u <= ' ' || u == 0x7f)
		return err_set(e, ERR_INVALID, "a pattern has no spaces or control characters");
	if (strchr("?[]\\!^$()|\"'`", c) != NULL)
		return err_set(e, ERR_INVALID,
		    "\"%c\" has no meaning in a pattern (only * and {a,b} are special)", c);
	return true;
}

/* What one pair of braces holds: the alternatives between them. */
static bool
braces_split(struct str inner, struct str *alts, size_t *n, struct err *e)
{
	*n = 0;
	while (inner.p != NULL) {
		struct str one = str_cut(&inner, ',');

		if (one.n == 0)
			return err_set(e, ERR_INVALID, "an alternative between { and } is empty");
		if (*n == GLOB_ALTS_MAX)
			return err_set(e, ERR_INVALID, "more than %d alternatives", GLOB_ALTS_MAX);
		alts[(*n)++] = one;
	}
	return true;
}

struct piece { /* of a pattern: literal text (one alternative) or a pair of braces */
	struct str alts[GLOB_ALTS_MAX];
	size_t n;
};

/* Takes the next piece off *rest. */
static bool
piece_next(struct str *rest, struct piece *out, struct err *e)
{
	size_t i;

	if (rest->p[0] != '{') {
		for (i = 0; i < rest->n && rest->p[i] != '{'; i++) {
			if (rest->p[i] == '}')
				return err_set(e, ERR_INVALID, "} without {");
			if (!char_ok(rest->p[i], e))
				return false;
		}
		out->alts[0] = (struct str){ rest->p, i };
		out->n = 1;
	} else {
		for (i = 1; i < rest->n && rest->p[i] != '}'; i++) {
			if (rest->p[i] == '{')
				return err_set(e, ERR_INVALID, "braces within braces");
			if (!char_ok(rest->p[i], e))
				return false;
		}
		if (i == rest->n)
			return err_set(e, ERR_INVALID, "{ without }");
		if (!braces_split((struct str){ rest->p + 1, i - 1 }, out->alts, &out->n, e))
			return false;
		i++;
	}
	rest->p += i;
	rest->n -= i;
	return true;
}

bool
glob_parse(struct arena *a, struct str text, struct glob *out, struct err *e)
{
	struct str alts[GLOB_ALTS_MAX], next[GLOB_ALTS_MAX], *kept, rest = text;
	struct piece piece = { .n = 0 };
	size_t n = 1;

	if (text.n == 0)
		return err_set(e, ERR_INVALID, "the pattern is empty");
	if (text.n > PATTERN_BYTES_MAX)
		return err_set(
		    e, ERR_INVALID, "the pattern is longer than %d bytes", PATTERN_BYTES_MAX);
	alts[0] = (struct str){ "", 0 };
	while (rest.n > 0) {
		if (!piece_next(&rest, &piece, e))
			return false;
		if (n * piece.n > GLOB_ALTS_MAX)
			return err_set(e, ERR_INVALID,
			    "the braces make more than %d alternatives (write several rules)",
			    GLOB_ALTS_MAX);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < piece.n; k++)
				next[i * piece.n + k] = arena_printf(
				    a, STR_FMT STR_FMT, STR_ARG(alts[i]), STR_ARG(piece.alts[k]));
		n *= piece.n;
		memcpy(alts, next, n * sizeof(alts[0]));
	}
	kept = arena_alloc(a, n * sizeof(*kept));
	memcpy(kept, alts, n * sizeof(*kept));
	*out = (struct glob){ .alt = kept, .n = n };
	return true;
}

static const struct {
	struct str word;
	enum ask_kind kind;
} kinds[] = { { STR("tool"), ASK_TOOL }, { STR("model"), ASK_MODEL }, { STR("code"), ASK_RUN },
	{ STR("prompt"), ASK_PROMPT }, { STR("resource"), ASK_RESOURCE },
	{ STR("hosted"), ASK_HOSTED }, { STR("admin"), ASK_ADMIN } };

/* "model:…": takes the word off *text.  Without one it is a tool. */
static bool
kind_parse(struct str *text, enum ask_kind *kind, struct err *e)
{
	struct str rest = *text, word = str_cut(&rest, ':'), words[COUNT(kinds)];
	char buf[HINT_BYTES];

	*kind = ASK_TOOL;
	if (rest.p == NULL || str_has(word, '/') || str_has(word, '{') || str_has(word, '*'))
		return true;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		words[i] = kinds[i].word;
		if (!str_eq(word, kinds[i].word))
			continue;
		*kind = kinds[i].kind;
		*text = rest;
		return true;
	}
	return err_set(e, ERR_INVALID, "unknown kind \"" STR_FMT ":\"%s", STR_ARG(word),
	    hint(buf, word, words, COUNT(words)));
}

/* In `prompt:` and `resource:` a star crosses the slash; a name without one is nobody's. */
static bool
slashed(const struct glob *g, struct err *e)
{
	for (size_t i = 0; i < g->n; i++)
		if (!str_has(g->alt[i], '/') && !str_has(g->alt[i], '*'))
			return err_set(e, ERR_INVALID,
			    "\"" STR_FMT
			    "\" has no server: prompt:server/name, resource:server/uri",
			    STR_ARG(g->alt[i]));
	return true;
}

static bool
tool_parse(struct arena *a, struct str text, struct pattern *out, struct err *e)
{
	struct str tool = text, server = str_cut(&tool, '/');

	if (tool.p == NULL || server.n == 0 || tool.n == 0)
		return err_set(e, ERR_INVALID,
		    "\"" STR_FMT
		    "\" is not a pattern: server/tool, any/tool, model:name or code:run",
		    STR_ARG(text));
	/* A slash inside braces would belong to one alternative only. */
	if (str_has(server, '{') && memchr(server.p, '}', server.n) == NULL)
		return err_set(e, ERR_INVALID, "/ stands between server and tool, not inside {}");
	out->any_server = str_eq(server, STR("any"));
	if (!out->any_server) {
		if (!glob_parse(a, server, &out->server, e))
			return false;
		for (size_t i = 0; i < out->server.n; i++)
			if (str_eq(out->server.alt[i], STR("any")))
				return err_set(e, ERR_INVALID, "\"any\" stands alone before the /");
	}
	return glob_parse(a, tool, &out->name, e);
}

bool
pattern_parse(struct arena *a, struct str text, struct pattern *out, struct err *e)
{
	struct str rest = text;

	*out = (struct pattern){ 0 };
	if (text.n > PATTERN_BYTES_MAX)
		return err_set(
		    e, ERR_INVALID, "the pattern is longer than %d bytes", PATTERN_BYTES_MAX);
	if (!kind_parse(&rest, &out->kind, e))
		return false;
	out->text = arena_str(a, text);
	if (out->kind == ASK_TOOL)
		return tool_parse(a, rest, out, e);
	if (!glob_parse(a, rest, &out->name, e))
		return false;
	if (out->kind == ASK_RUN && !glob_match(&out->name, STR("run")))
		return err_set(e, ERR_INVALID, "\"code:\" knows only code:run");
	if (out->kind == ASK_PROMPT || out->kind == ASK_RESOURCE)
		return slashed(&out->name, e);
	return true;
}

bool
pattern_match(const struct pattern *p, enum ask_kind kind, struct str name)
{
	if (p->kind != kind)
		return false;
	if (kind == ASK_TOOL) {
		struct str tool = name, server = str_cut(&tool, '/');

		if (tool.p == NULL)
			return false;
		return (p->any_server || glob_match(&p->server, server)) &&
		       glob_match(&p->name, tool) &&
		       (p->where == NULL || where_match(p->where, name));
	}
	return glob_match(&p->name, name);
}
