/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_views - `views:` of tollgate.yaml: named subsets of what servers offer, each with a
 * path.
 *
 * A pattern is server/name with `*` on each side, as in rules but without braces; `any` is every
 * server, a lone `*` everything.  Whether the server exists is not checked: a view may name one
 * that is not there yet.
 */
#include "gateway/settings_read.h"

#define VIEWS_MAX     64
#define PATTERNS_MAX  256
#define VIEW_NAME_MAX 40

static void
patterns_read(struct reading *r, struct yaml *y, struct view_settings *v, size_t list)
{
	struct str *out;

	if (y->kind != YAML_LIST || y->n > PATTERNS_MAX) {
		(void)bad(r, y, "a list of at most %d patterns: [\"notes/get_*\"]", PATTERNS_MAX);
		return;
	}
	out = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*out));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct str text;

		if (!text_read(r, k, &text))
			continue;
		if (!str_has(text, '/') && !str_eq(text, STR("*")))
			(void)bad(
			    r, k, "\"" STR_FMT "\" has no server: server/name", STR_ARG(text));
		else if (str_has(text, '{'))
			(void)bad(r, k, "braces are for rules; write several patterns");
		else
			out[v->patterns_n[list]++] = text;
	}
	v->patterns[list] = out;
}

static void
tools_read(struct reading *r, struct yaml *y, void *into)
{
	patterns_read(r, y, into, 0);
}

static void
prompts_read(struct reading *r, struct yaml *y, void *into)
{
	patterns_read(r, y, into, 1);
}

static void
resources_read(struct reading *r, struct yaml *y, void *into)
{
	patterns_read(r, y, into, 2);
}

static void
instructions_read(struct reading *r, struct yaml *y, void *into)
{
	(void)text_read(r, y, into);
}

static bool
name_fits(struct str s)
{
	if (s.n == 0 || s.n > VIEW_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
			s.p[i] == '-'))
			return false;
	return true;
}

void
views_read(struct reading *r, struct yaml *y, void *settings)
{
	static const struct setting rows[] = { { "tools", 0, tools_read },
		{ "prompts", 0, prompts_read }, { "resources", 0, resources_read },
		{ "instructions", offsetof(struct view_settings, instructions), instructions_read },
		{ "code_mode", offsetof(struct view_settings, code_mode), code_mode_setting },
		{ NULL, 0, NULL } };
	struct settings *s = r->s;

	(void)settings;
	if (y->kind != YAML_MAP || y->n > VIEWS_MAX) {
		(void)bad(r, y, "\"views\" is a mapping of at most %d names", VIEWS_MAX);
		return;
	}
	s->views = arena_zalloc(&s->arena, (y->n + 1) * sizeof(*s->views));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct view_settings *v = &s->views[s->views_n++];

		v->name = arena_str(&s->arena, k->key);
		v->instructions = STR("");
		if (!name_fits(k->key))
			(void)bad_key(r, k,
			    "a view's name is 1 to %d of a-z, 0-9 and -: it is part of a path",
			    VIEW_NAME_MAX);
		(void)rows_read(r, k, "a view", rows, v);
	}
}
