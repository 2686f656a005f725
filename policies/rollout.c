/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollout - who would be refused if what is observed were enforced: from the recorded rows.
 *
 * A row whose `would` is a refusal was let pass by `enforcement: observe` of a level or `mode:
 * observe` of a policy.  They are counted by owner, the most refused first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policies/core.h"

#define ROW_ARENA  ((size_t)1 << 20)
#define OWNERS_MAX 50000
#define NAME_BYTES 128
#define TEXT_BYTES 256

struct owner {
	char *id; /* customer, team and user, with line breaks between */
	char customer[NAME_BYTES], team[NAME_BYTES], user[NAME_BYTES], name[TEXT_BYTES],
	    why[TEXT_BYTES];
	int64_t n;
};

struct counting {
	int64_t since_ns;
	struct map owners;
	bool full;
};

static void
keep(char *dst, size_t cap, struct str s)
{
	(void)str_copy(dst, cap, str_clip(s, cap - 1));
}

static struct owner *
owner_of(struct counting *c, struct str row, struct arena *a)
{
	struct str part[3] = { json_text(row, "customer", a), json_text(row, "team", a),
		json_text(row, "user", a) };
	struct str id = arena_printf(a, STR_FMT "\n" STR_FMT "\n" STR_FMT, STR_ARG(part[0]),
	    STR_ARG(part[1]), STR_ARG(part[2]));
	struct owner *o = map_get(&c->owners, id);

	c->full |= o == NULL && c->owners.n >= OWNERS_MAX;
	if (o != NULL || c->owners.n >= OWNERS_MAX)
		return o;
	o = mem_zalloc(sizeof(*o));
	o->id = str_dup(id);
	keep(o->customer, sizeof(o->customer), part[0]);
	keep(o->team, sizeof(o->team), part[1]);
	keep(o->user, sizeof(o->user), part[2]);
	keep(o->name, sizeof(o->name), json_text(row, "name", a));
	keep(o->why, sizeof(o->why), json_text(row, "would", a));
	map_set(&c->owners, str_of(o->id), o);
	return o;
}

static bool
on_row(void *ctx, int64_t seq, struct str row)
{
	struct counting *c = ctx;
	struct str raw, verdict;
	struct owner *o;
	struct arena a;
	int64_t ts_ns = 0;

	(void)seq;
	if (memmem(row.p, row.n, "\"would\":", 8) == NULL)
		return true;
	arena_init(&a, ROW_ARENA);
	verdict = json_text(row, "verdict", &a);
	if (json_get(row, STR("ts_ns"), &raw) && json_i64(raw, &ts_ns) && ts_ns >= c->since_ns &&
	    str_eq(verdict, STR("ok")) &&
	    !str_starts(json_text(row, "would", &a), STR("allowed by "))) {
		o = owner_of(c, row, &a);
		if (o != NULL)
			o->n++;
	}
	arena_free(&a);
	return true;
}

static int
by_count(const void *a, const void *b)
{
	const struct owner *x = *(struct owner *const *)a, *y = *(struct owner *const *)b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return str_cmp(str_of(x->id), str_of(y->id));
}

static void
owner_put(struct buf *out, const struct owner *o)
{
	buf_puts(out, "{\"customer\":");
	buf_json_str(out, str_of(o->customer));
	buf_puts(out, ",\"team\":");
	buf_json_str(out, str_of(o->team));
	buf_puts(out, ",\"user\":");
	buf_json_str(out, str_of(o->user));
	buf_printf(out, ",\"would_refuse\":%lld,\"first_name\":", (long long)o->n);
	buf_json_str(out, str_of(o->name));
	buf_puts(out, ",\"first_why\":");
	buf_json_str(out, str_of(o->why));
	buf_putc(out, '}');
}

bool
rollout_json(const char *data_dir, int64_t since_ns, struct buf *out, struct err *e)
{
	const struct audit_query all = { .id = STR("") };
	struct counting c = { .since_ns = since_ns };
	struct owner **rows;
	struct str key;
	void *value;
	size_t n = 0;
	bool ok;

	map_init(&c.owners);
	ok = audit_read(data_dir, &all, on_row, &c, e);
	if (c.full)
		ok = err_set(e, ERR_TOO_LARGE, "more than %d owners (a later --since)", OWNERS_MAX);
	rows = mem_alloc((c.owners.n + 1) * sizeof(struct owner *));
	for (size_t it = 0; map_next(&c.owners, &it, &key, &value);)
		rows[n++] = value;
	qsort(rows, n, sizeof(struct owner *), by_count);
	buf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i > 0 ? "," : "");
		owner_put(out, rows[i]);
		free(rows[i]->id);
		free(rows[i]);
	}
	buf_putc(out, ']');
	free(rows);
	map_fini(&c.owners);
	return ok;
}
