/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - the one door to libyaml: its events become a tree with positions.
 *
 * Only what configuration needs is let through.  Anchors, aliases, tags and a second document are
 * refused by name, duplicate keys with the place of both, so that what a reviewer reads is what is
 * loaded.  Depth is bounded by an explicit stack, size by YAML_BYTES_MAX.
 */
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"

#define YAML_DEPTH_MAX 32
#define YAML_BYTES_MAX ((size_t)4 << 20)
#define KEYS_MANY      32 /* a map of more finds its keys by hash */

struct level {
	struct yaml *node;
	struct yaml **tail; /* where the next kid goes */
	struct map keys;    /* of a map with more than KEYS_MANY: key to member */
};
struct reader {
	struct arena *a;
	const char *file;
	struct err *e;
	struct level at[YAML_DEPTH_MAX];
	int depth;
	struct yaml *root;
	bool want_key; /* in a map: the next scalar is a key */
	struct str key;
	int key_line, key_column;
};

static bool
mark_err(struct reader *r, const yaml_mark_t *m, const char *text)
{
	return err_set(
	    r->e, ERR_INVALID, "%s:%zu:%zu: %s", r->file, m->line + 1, m->column + 1, text);
}

static bool
in_map(const struct reader *r)
{
	return r->depth > 0 && r->at[r->depth - 1].node->kind == YAML_MAP;
}

static const struct yaml *
key_find(const struct level *l, struct str key)
{
	if (l->node->n > KEYS_MANY)
		return map_get(&l->keys, key);
	for (const struct yaml *k = l->node->kids; k != NULL; k = k->next)
		if (str_eq(k->key, key))
			return k;
	return NULL;
}

/* The member was hung in: when there are many, it is found by hash from now on. */
static void
key_keep(struct level *l, struct yaml *member)
{
	if (l->node->n == KEYS_MANY + 1)
		for (struct yaml *k = l->node->kids; k != NULL; k = k->next)
			map_set(&l->keys, k->key, k);
	else if (l->node->n > KEYS_MANY)
		map_set(&l->keys, member->key, member);
}

static bool
key_take(struct reader *r, const yaml_event_t *ev)
{
	struct str key = { (const char *)ev->data.scalar.value, ev->data.scalar.length };
	const struct yaml *first = key_find(&r->at[r->depth - 1], key);

	if (first != NULL)
		return err_set(r->e, ERR_INVALID,
		    "%s:%zu:%zu: key \"" STR_FMT "\" stands twice (first in line %d)", r->file,
		    ev->start_mark.line + 1, ev->start_mark.column + 1, STR_ARG(key),
		    first->key_line);
	r->key = arena_str(r->a, key);
	r->key_line = (int)ev->start_mark.line + 1;
	r->key_column = (int)ev->start_mark.column + 1;
	r->want_key = false;
	return true;
}

/* Hangs a new node into the tree. */
static struct yaml *
node_add(struct reader *r, enum yaml_kind kind, const yaml_event_t *ev)
{
	struct yaml *y = arena_new(r->a, struct yaml);

	y->kind = kind;
	y->file = r->file;
	y->line = (int)ev->start_mark.line + 1;
	y->column = (int)ev->start_mark.column + 1;
	if (r->depth == 0) {
		r->root = y;
		return y;
	}
	if (in_map(r)) {
		y->key = r->key;
		y->key_line = r->key_line;
		y->key_column = r->key_column;
		r->want_key = true;
	}
	ASSERT(r->at[r->depth - 1].node != NULL);
	*r->at[r->depth - 1].tail = y;
	r->at[r->depth - 1].tail = &y->next;
	r->at[r->depth - 1].node->n++;
	if (in_map(r))
		key_keep(&r->at[r->depth - 1], y);
	return y;
}

static bool
container_start(struct reader *r, enum yaml_kind kind, const yaml_event_t *ev)
{
	struct yaml *y;

	if (in_map(r) && r->want_key)
		return mark_err(r, &ev->start_mark,
		    "a key must be plain text (quote a pattern that begins with { [ or *)");
	if (r->depth == YAML_DEPTH_MAX)
		return mark_err(r, &ev->start_mark, "nested too deep (32 levels at most)");
	y = node_add(r, kind, ev);
	r->at[r->depth++] = (struct level){ .node = y, .tail = &y->kids };
	r->want_key = kind == YAML_MAP;
	return true;
}

static void
container_end(struct reader *r)
{
	map_fini(&r->at[--r->depth].keys);
	r->want_key = in_map(r);
}

static bool
is_null(struct str s)
{
	return s.n == 0 || str_eq(s, STR("~")) || str_eq(s, STR("null"));
}

static bool
scalar_take(struct reader *r, const yaml_event_t *ev)
{
	struct str text = { (const char *)ev->data.scalar.value, ev->data.scalar.length };
	struct yaml *y;

	if (ev->data.scalar.tag != NULL)
		return mark_err(r, &ev->start_mark, "tags are not allowed (remove it)");
	if (memchr(text.p, '\0', text.n) != NULL)
		return mark_err(r, &ev->start_mark, "a NUL byte is not allowed");
	if (in_map(r) && r->want_key)
		return key_take(r, ev);
	y = node_add(r, YAML_SCALAR, ev);
	y->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	y->text = arena_str(r->a, text);
	if (!y->quoted && is_null(text))
		y->kind = YAML_NULL;
	return true;
}

static bool
event_take(struct reader *r, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return mark_err(r, &ev->start_mark, "aliases are not allowed (write it out)");
	case YAML_SCALAR_EVENT:
		if (ev->data.scalar.anchor != NULL)
			break;
		return scalar_take(r, ev);
	case YAML_SEQUENCE_START_EVENT:
		if (ev->data.sequence_start.anchor != NULL)
			break;
		if (ev->data.sequence_start.tag != NULL)
			return mark_err(r, &ev->start_mark, "tags are not allowed (remove it)");
		return container_start(r, YAML_LIST, ev);
	case YAML_MAPPING_START_EVENT:
		if (ev->data.mapping_start.anchor != NULL)
			break;
		if (ev->data.mapping_start.tag != NULL)
			return mark_err(r, &ev->start_mark, "tags are not allowed (remove it)");
		return container_start(r, YAML_MAP, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		container_end(r);
		return true;
	case YAML_DOCUMENT_START_EVENT:
		if (r->root != NULL)
			return mark_err(r, &ev->start_mark, "a second document is not allowed");
		return true;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return true;
	}
	return mark_err(r, &ev->start_mark, "anchors are not allowed (write it out)");
}

static bool
parse_err(struct reader *r, const yaml_parser_t *p)
{
	/* Bytes that are no text have no mark of their own. */
	const yaml_mark_t *m = p->error == YAML_READER_ERROR ? &p->mark : &p->problem_mark;

	return mark_err(r, m, p->problem != NULL ? p->problem : "not valid YAML");
}

struct yaml *
yaml_parse(struct arena *a, const char *file, struct str text, struct err *e)
{
	struct reader r = { .a = a, .file = arena_cstr(a, str_of(file)), .e = e };
	yaml_parser_t p;
	yaml_event_t ev;
	bool ok = true, end = false;
	int made;

	if (text.n > YAML_BYTES_MAX) {
		(void)err_set(e, ERR_INVALID, "%s:1:1: the file is over 4 MiB", file);
		return NULL;
	}
	made = yaml_parser_initialize(&p);
	ASSERT(made == 1);
	yaml_parser_set_input_string(&p, (const unsigned char *)(text.n > 0 ? text.p : ""), text.n);
	while (ok && !end) {
		if (!yaml_parser_parse(&p, &ev)) {
			ok = parse_err(&r, &p);
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		ok = event_take(&r, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	while (r.depth > 0) /* an error left them open */
		container_end(&r);
	if (ok && r.root == NULL) { /* an empty file is an empty map */
		r.root = arena_new(a, struct yaml);
		*r.root = (struct yaml){ .kind = YAML_MAP, .line = 1, .column = 1, .file = r.file };
	}
	return ok ? r.root : NULL;
}

struct yaml *
yaml_get(struct yaml *map, const char *key)
{
	struct str want = str_of(key);

	if (map == NULL || map->kind != YAML_MAP)
		return NULL;
	for (struct yaml *k = map->kids; k != NULL; k = k->next)
		if (str_eq(k->key, want)) {
			k->used = true;
			return k;
		}
	return NULL;
}

bool
yaml_unknown(struct yaml *map, const struct str *known, size_t n, struct err *e)
{
	for (struct yaml *k = map->kids; k != NULL; k = k->next) {
		struct str near;

		if (k->used)
			continue;
		near = str_nearest(k->key, known, n);
		if (near.n > 0)
			return err_set(e, ERR_INVALID,
			    "%s:%d:%d: unknown key \"" STR_FMT "\" (did you mean \"" STR_FMT "\"?)",
			    k->file, k->key_line, k->key_column, STR_ARG(k->key), STR_ARG(near));
		return err_set(e, ERR_INVALID, "%s:%d:%d: unknown key \"" STR_FMT "\" (remove it)",
		    k->file, k->key_line, k->key_column, STR_ARG(k->key));
	}
	return true;
}

bool
yaml_err(const struct yaml *y, struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_INVALID, "%s:%d:%d: %s", y->file, y->line, y->column, text);
}

bool
yaml_bool(const struct yaml *y, bool *out, struct err *e)
{
	if (y->kind == YAML_SCALAR && !y->quoted) {
		*out = str_eq(y->text, STR("true"));
		if (*out || str_eq(y->text, STR("false")))
			return true;
	}
	return yaml_err(y, e, "true or false was expected");
}

bool
yaml_i64(const struct yaml *y, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	if (y->kind != YAML_SCALAR || y->quoted || !str_i64(y->text, out))
		return yaml_err(y, e, "a whole number was expected");
	if (*out < min || *out > max)
		return yaml_err(y, e, "must be from %lld to %lld", (long long)min, (long long)max);
	return true;
}

struct unit {
	const char *word;
	int64_t factor;
};

/* "12 MiB" or "12MiB": digits, then a word of the table. */
static bool
with_unit(const struct yaml *y, const struct unit *units, size_t n, int64_t *out)
{
	struct str s = y->text, number = s;
	int64_t v;

	if (y->kind != YAML_SCALAR)
		return false;
	for (number.n = 0; number.n < s.n && s.p[number.n] >= '0' && s.p[number.n] <= '9';)
		number.n++;
	s = str_trim((struct str){ s.p + number.n, s.n - number.n });
	if (!str_i64(number, &v))
		return false;
	for (size_t i = 0; i < n; i++)
		if (str_eq(s, str_of(units[i].word)))
			return !__builtin_mul_overflow(v, units[i].factor, out);
	return false;
}

bool
yaml_bytes(const struct yaml *y, int64_t *out_bytes, struct err *e)
{
	static const struct unit units[] = { { "", 1 }, { "B", 1 }, { "KiB", 1024 },
		{ "MiB", 1024 * 1024 }, { "GiB", (int64_t)1024 * 1024 * 1024 }, { "kB", 1000 },
		{ "MB", 1000000 }, { "GB", 1000000000 } };

	return with_unit(y, units, COUNT(units), out_bytes) ||
	       yaml_err(y, e, "a size was expected, like 32MiB or 64 KiB");
}

bool
yaml_duration(const struct yaml *y, int64_t *out_ms, struct err *e)
{
	static const struct unit units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
		{ "h", 3600000 }, { "d", 86400000 } };

	return with_unit(y, units, COUNT(units), out_ms) ||
	       yaml_err(y, e, "a duration was expected, like 500ms, 30s, 5m or 2d");
}
