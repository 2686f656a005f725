/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_tree - a source as a tree, whether it is JSON or YAML, and what is left of it.
 *
 * JSON is checked and walked by base/json.h and hung into the nodes of base/yaml.h, so that a
 * dialect is read by one piece of code.  The nodes say where they stood and who asked for them:
 * what nobody asked for is what was not carried over.  Depth is bounded by explicit stacks.
 */
#include <string.h>

#include "base/json.h"
#include "gateway/import.h"

#define DEPTH_MAX  (JSON_DEPTH_MAX + 1)
#define PATH_BYTES 400

/* ---- JSON ---- */

struct json_level {
	struct json_iter it;
	struct yaml *node, **tail;
};
struct json_reader {
	struct arena *a;
	const char *file, *at, *line_start; /* everything before `at` has been counted */
	int line;
	struct json_level level[DEPTH_MAX];
	size_t depth;
	bool nul;
};

/* Values come in the order of the text, so lines are counted once. */
static void
place(struct json_reader *r, struct yaml *y, const char *p)
{
	for (; r->at < p; r->at++)
		if (*r->at == '\n') {
			r->line++;
			r->line_start = r->at + 1;
		}
	y->file = r->file;
	y->line = y->key_line = r->line;
	y->column = y->key_column = (int)(p - r->line_start) + 1;
}

static struct str
unescaped(struct json_reader *r, struct str raw)
{
	struct str s = STR("");

	if (!json_string(raw, r->a, &s))
		s = arena_str(r->a, raw);
	r->nul = r->nul || memchr(s.p, '\0', s.n) != NULL;
	return s;
}

static struct yaml *
node_of(struct json_reader *r, struct str raw)
{
	struct yaml *y = arena_new(r->a, struct yaml);
	struct json_level *l = &r->level[r->depth];

	place(r, y, raw.p);
	switch (json_kind(raw)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		y->kind = json_kind(raw) == JSON_OBJECT ? YAML_MAP : YAML_LIST;
		ASSERT(r->depth < DEPTH_MAX && json_open(raw, &l->it));
		l->node = y;
		l->tail = &y->kids;
		r->depth++;
		break;
	case JSON_NULL:
		y->kind = YAML_NULL;
		y->text = STR("");
		break;
	default:
		y->kind = YAML_SCALAR;
		y->quoted = json_kind(raw) == JSON_STRING;
		y->text = unescaped(r, raw);
	}
	return y;
}

static struct yaml *
json_tree(struct arena *a, const char *file, struct str text, struct err *e)
{
	struct json_reader r = {
		.a = a, .file = file, .at = text.p, .line_start = text.p, .line = 1
	};
	struct yaml *root, *kid;
	struct err why;

	if (!json_check(text, true, &why)) {
		(void)err_set(e, ERR_INVALID, "%s: %s", file, why.text);
		return NULL;
	}
	while (text.n > 0 && strchr(" \t\r\n", text.p[0]) != NULL)
		text = (struct str){ text.p + 1, text.n - 1 };
	root = node_of(&r, text);
	while (r.depth > 0) {
		struct json_level *l = &r.level[r.depth - 1];
		struct str key = STR(""), value;

		if (!json_next(&l->it, &key, &value)) {
			r.depth--;
			continue;
		}
		l->node->n++;
		kid = node_of(&r, value);
		kid->key = l->node->kind == YAML_MAP ? unescaped(&r, key) : STR("");
		*l->tail = kid;
		l->tail = &kid->next;
	}
	if (r.nul) {
		(void)err_set(e, ERR_INVALID, "%s: a text has a NUL byte (remove it)", file);
		return NULL;
	}
	return root;
}

struct yaml *
import_open(struct arena *a, const char *file, struct str text, struct err *e)
{
	struct str first = text;
	struct yaml *root;

	if (str_starts(text, STR("\xef\xbb\xbf")))
		first = text = (struct str){ text.p + 3, text.n - 3 };
	if (text.n > IMPORT_FILE_BYTES) {
		(void)err_set(e, ERR_INVALID, "%s: is larger than 1 MiB", file);
		return NULL;
	}
	while (first.n > 0 && strchr(" \t\r\n", first.p[0]) != NULL)
		first = (struct str){ first.p + 1, first.n - 1 };
	root = first.n > 0 && first.p[0] == '{' ? json_tree(a, arena_cstr(a, str_of(file)), text, e)
						: yaml_parse(a, file, text, e);
	if (root != NULL && root->kind != YAML_MAP) {
		(void)err_set(e, ERR_INVALID, "%s: is no mapping, so no configuration", file);
		return NULL;
	}
	return root;
}

/* ---- walking ---- */

struct walk {
	struct yaml *at[DEPTH_MAX]; /* from the root to the node */
	size_t index[DEPTH_MAX];    /* of each among its siblings */
	size_t n;
};

/* To the next sibling of the node or of one above it; false: there is none left. */
static bool
walk_on(struct walk *w)
{
	while (w->n > 0) {
		struct yaml *y = w->at[w->n - 1]->next;

		if (w->n > 1 && y != NULL) {
			w->at[w->n - 1] = y;
			w->index[w->n - 1]++;
			return true;
		}
		w->n--;
	}
	return false;
}

static bool
walk_in(struct walk *w, bool below)
{
	struct yaml *y = w->at[w->n - 1];

	if (!below || y->kids == NULL)
		return walk_on(w);
	ASSERT(w->n < DEPTH_MAX);
	w->at[w->n] = y->kids;
	w->index[w->n++] = 0;
	return true;
}

void
import_take(struct yaml *y)
{
	struct walk w = { .at = { y }, .n = 1 };

	if (y == NULL)
		return;
	do
		w.at[w.n - 1]->used = true;
	while (walk_in(&w, true));
}

static struct str
path_of(struct import *im, const struct walk *w)
{
	struct buf b;
	struct str path;

	buf_init(&b, 0);
	for (size_t i = 1; i < w->n; i++) {
		if (w->at[i - 1]->kind == YAML_LIST)
			buf_printf(&b, "[%zu]", w->index[i]);
		else
			buf_printf(&b, "%s" STR_FMT, b.n > 0 ? "." : "",
			    STR_ARG(import_shown(im, w->at[i]->key)));
	}
	path = arena_str(&im->arena, str_clip(buf_str(&b), PATH_BYTES));
	buf_fini(&b);
	return path;
}

/* Why members of these names have no place here; for all others the general sentence. */
static const char *
why_left(struct str key)
{
	static const struct {
		const char *key, *why;
	} rows[] = {
		{ "$schema", "is for editors" },
		{ "environment_variables", "set them in the environment of the gateway" },
		{ "master_key", "no key of the source is valid here (tollgate key create)" },
		{ "rpm", "a model's limit: write limit: { requests: N/minute } on a rule" },
		{ "tpm", "a model's limit: write limit: { tokens: N/minute } on a rule" },
		{ "alwaysAllow", "an agent's own approvals stay with the agent" },
		{ "autoApprove", "an agent's own approvals stay with the agent" },
		{ "tools_to_auto_execute", "the gateway runs no tools by itself" },
		{ "routing_rules", "requests go where models: says, by no expression" },
		{ "headersHelper", "headers come from env: and file: (or from oauth:)" },
		{ "envFile", "list its variables in env:" },
		{ "litellm_credential_name", "write the provider's key as env:NAME" },
		{ "weight", "a model has one provider, nothing is shared out" },
		{ "key_ids", "a provider has one key" },
		{ "value", "no key of the source is valid here (tollgate key create)" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(key, str_of(rows[i].key)))
			return rows[i].why;
	return "has no counterpart that import knows";
}

void
import_leftovers(struct import *im, struct yaml *root)
{
	struct walk w = { .at = { root }, .n = 1 };
	bool below;

	root->used = true;
	do {
		struct yaml *y = w.at[w.n - 1];

		below = y->used || w.at[w.n > 1 ? w.n - 2 : 0]->kind == YAML_LIST;
		if (!below)
			import_note(im, NOTE_LEFT, y, path_of(im, &w), "%s", why_left(y->key));
	} while (walk_in(&w, below));
}

struct str
import_text(struct yaml *map, const char *key)
{
	struct yaml *y = yaml_get(map, key);

	return y != NULL && y->kind == YAML_SCALAR ? y->text : STR("");
}

bool
import_flag(struct yaml *map, const char *key, bool usual)
{
	struct str s = import_text(map, key);

	if (str_ieq(s, STR("true")) || str_ieq(s, STR("yes")))
		return true;
	return str_ieq(s, STR("false")) || str_ieq(s, STR("no")) ? false : usual;
}
