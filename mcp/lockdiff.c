/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockdiff - what changed in a tool's definition, member by member.
 *
 * The two are walked together: an object by its members' names, a list by position, and what is
 * equal in its canonical form is passed over.  What is shown comes from a server that may want to
 * be misread: every character that is not seen is written as its code.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/json_form.h"
#include "base/rune.h"
#include "mcp/lock.h"

#define PATH_BYTES_MAX 4096

/* old or new is STR_NONE where it is not there; both are raw JSON. */
typedef void change_f(void *ctx, struct str path, struct str old, struct str new);
struct walk {
	change_f *fn;
	void *ctx;
	struct buf path;
};

static bool
same(struct str a, struct str b)
{
	struct buf x, y;
	bool eq;

	buf_init(&x, 0);
	buf_init(&y, 0);
	json_canonical(&x, a);
	json_canonical(&y, b);
	eq = str_eq(buf_str(&x), buf_str(&y));
	buf_fini(&x);
	buf_fini(&y);
	return eq;
}

static void walk(struct walk *w, struct str old, struct str new);

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
below(struct walk *w, struct str name, bool index, struct str old, struct str new)
{
	size_t n = w->path.n;

	if (n > PATH_BYTES_MAX)
		return;
	if (n > 0 && !index)
		buf_putc(&w->path, '.');
	buf_put(&w->path, name);
	walk(w, old, new);
	w->path.n = n;
}

static struct str
name_of(struct str key)
{
	return (struct str){ key.p + 1, key.n - 2 };
}

static bool
find(struct str object, struct str key_raw, struct arena *a, struct str *out)
{
	struct str name;

	return json_string(key_raw, a, &name) && json_get(object, name, out);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
objects(struct walk *w, struct str old, struct str new)
{
	struct json_iter it;
	struct str key, value, other;
	struct arena a;

	arena_init(&a, 4 * (old.n + new.n) + 65536);
	if (json_open(old, &it))
		while (json_next(&it, &key, &value)) {
			if (!find(new, key, &a, &other))
				other = STR_NONE;
			below(w, name_of(key), false, value, other);
		}
	if (json_open(new, &it))
		while (json_next(&it, &key, &value))
			if (!find(old, key, &a, &other))
				below(w, name_of(key), false, STR_NONE, value);
	arena_free(&a);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
lists(struct walk *w, struct str old, struct str new)
{
	struct json_iter x, y;
	struct str key, a, b;
	char index[32];
	bool more_a = json_open(old, &x) && json_next(&x, &key, &a);
	bool more_b = json_open(new, &y) && json_next(&y, &key, &b);

	for (int i = 0; more_a || more_b; i++) {
		int n = snprintf(index, sizeof(index), "[%d]", i);

		below(w, (struct str){ index, (size_t)n }, true, more_a ? a : STR_NONE,
		    more_b ? b : STR_NONE);
		more_a = more_a && json_next(&x, &key, &a);
		more_b = more_b && json_next(&y, &key, &b);
	}
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
walk(struct walk *w, struct str old, struct str new)
{
	enum json_kind a = old.p == NULL ? JSON_BAD : json_kind(old);
	enum json_kind b = new.p == NULL ? JSON_BAD : json_kind(new);

	if (a == b && same(old, new))
		return;
	if (a == JSON_OBJECT && b == JSON_OBJECT)
		objects(w, old, new);
	else if (a == JSON_ARRAY && b == JSON_ARRAY)
		lists(w, old, new);
	else
		w->fn(w->ctx, buf_str(&w->path), old, new);
}

/* What the digest covers, and nothing else. */
static void
changes(const struct locked *old, const struct lock_seen *new, change_f *fn, void *ctx)
{
	static const struct str parts[] = { STR("title"), STR("description"), STR("inputSchema"),
		STR("outputSchema"), STR("annotations") };
	struct walk w = { .fn = fn, .ctx = ctx };
	struct buf a, b;

	buf_init(&w.path, 2 * PATH_BYTES_MAX + 65536);
	buf_init(&a, 0);
	buf_init(&b, 0);
	if (old != NULL)
		buf_json_str(&a, old->source);
	if (new != NULL)
		buf_json_str(&b, new->source);
	below(&w, STR("source"), false, old == NULL ? STR_NONE : buf_str(&a),
	    new == NULL ? STR_NONE : buf_str(&b));
	for (size_t i = 0; i < COUNT(parts); i++) {
		struct str x = STR_NONE, y = STR_NONE;

		if (old != NULL && !json_get(old->definition, parts[i], &x))
			x = STR_NONE;
		if (new != NULL && !json_get(new->definition, parts[i], &y))
			y = STR_NONE;
		if (x.p != NULL || y.p != NULL)
			below(&w, parts[i], false, x, y);
	}
	buf_fini(&w.path);
	buf_fini(&a);
	buf_fini(&b);
}

/* ---- for people ---- */

struct shown {
	struct buf *out;
	bool diff;
};

void
lock_shown(struct buf *out, struct str text)
{
	struct str rest = text;

	while (rest.n > 0) {
		uint32_t c = rune_next(&rest);

		if (rune_kind(c) != RUNE_PLAIN || c == '\r')
			buf_printf(out, "\\u{%x}", c);
		else
			buf_rune(out, c);
	}
}

static void
line_put(const struct shown *s, char mark, struct str text)
{
	buf_printf(s->out, "%s%c ", s->diff ? "" : "    ", mark);
	lock_shown(s->out, text);
	buf_putc(s->out, '\n');
}

static void
lines_put(const struct shown *s, char mark, struct str text)
{
	while (text.p != NULL)
		line_put(s, mark, str_cut(&text, '\n'));
}

/* Lines that both begin with are not said again; the last line of each is always shown. */
static void
texts_put(const struct shown *s, struct str old, struct str new)
{
	bool cut = false;

	while (old.p != NULL && new.p != NULL) {
		struct str a = old, b = new;
		struct str x = str_cut(&a, '\n'), y = str_cut(&b, '\n');

		if (!str_eq(x, y) || a.p == NULL || b.p == NULL)
			break;
		old = a;
		new = b;
		cut = true;
	}
	if (cut)
		line_put(s, ' ', STR("…"));
	lines_put(s, '-', old);
	lines_put(s, '+', new);
}

static void
side_put(const struct shown *s, char mark, struct str raw)
{
	struct buf pretty;
	struct arena a;
	struct str text;

	if (raw.p == NULL)
		return;
	arena_init(&a, raw.n + 4096);
	buf_init(&pretty, 0);
	if (json_string(raw, &a, &text)) {
		lines_put(s, mark, text);
	} else {
		json_pretty(&pretty, raw, 0);
		lines_put(s, mark, buf_str(&pretty));
	}
	buf_fini(&pretty);
	arena_free(&a);
}

static void
on_change(void *ctx, struct str path, struct str old, struct str new)
{
	const struct shown *s = ctx;
	struct arena a;
	struct str x, y;

	buf_puts(s->out, s->diff ? "@@ " : "  ");
	lock_shown(s->out, path);
	buf_puts(s->out, s->diff ? " @@\n" : "\n");
	arena_init(&a, old.n + new.n + 4096);
	if (old.p != NULL && new.p != NULL && json_string(old, &a, &x) &&
	    json_string(new, &a, &y)) {
		texts_put(s, x, y);
	} else {
		side_put(s, '-', old);
		side_put(s, '+', new);
	}
	arena_free(&a);
}

static void
on_part(void *ctx, struct str path, struct str old, struct str new)
{
	struct buf *out = ctx;
	struct str part = path;

	(void)old;
	(void)new;
	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] == '.' || part.p[i] == '[')
			part.n = i;
	if (out->n >= part.n && str_ends(buf_str(out), part))
		return;
	if (out->n > 0)
		buf_puts(out, ", ");
	buf_put(out, part);
}

void
lock_changed_parts(struct buf *out, const struct locked *old, const struct lock_seen *new)
{
	changes(old, new, on_part, out);
}

void
lock_diff(struct buf *out, const struct locked *old, const struct lock_seen *new, bool diff)
{
	struct shown s = { out, diff };

	changes(old, new, on_change, &s);
}

/* ---- for programs ---- */

struct listed {
	struct buf *out;
	bool any;
};

static void
on_change_json(void *ctx, struct str path, struct str old, struct str new)
{
	struct listed *l = ctx;

	buf_puts(l->out, l->any ? ",{\"path\":" : "{\"path\":");
	l->any = true;
	json_pretty_str(l->out, path);
	if (old.p != NULL) {
		buf_puts(l->out, ",\"old\":");
		json_pretty(l->out, old, 0);
	}
	if (new.p != NULL) {
		buf_puts(l->out, ",\"new\":");
		json_pretty(l->out, new, 0);
	}
	buf_putc(l->out, '}');
}

void
lock_diff_json(struct buf *out, const struct locked *old, const struct lock_seen *new)
{
	struct listed l = { .out = out };

	buf_putc(out, '[');
	changes(old, new, on_change_json, &l);
	buf_putc(out, ']');
}

/* ---- is it another one? ---- */

const char *
lock_status_word(enum lock_status s)
{
	static const char *const words[] = { "same", "new", "changed", "removed" };

	return words[s];
}

enum lock_status
lock_compare(const struct lock *l, const struct lock_seen *s)
{
	const struct locked *k = lock_find(l, s->name);
	enum lock_status status = LOCK_NEW;
	struct arena a;

	if (k == NULL)
		return LOCK_NEW;
	arena_init(&a, 65536);
	status =
	    str_eq(lock_digest(&a, s->definition, s->source), k->sha256) ? LOCK_SAME : LOCK_CHANGED;
	arena_free(&a);
	return status;
}
