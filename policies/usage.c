/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - what people look at: sums over the ledger, a key's quota, metrics.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"
#include "policies/core.h"

struct sum {
	char *name;
	int64_t requests, calls, runs, refused, input, output, cache_read, cache_write, cost, kept;
	int64_t cpu_us, memory_kb;
};

struct sums {
	struct str by;
	int64_t since_s;
	struct map all;
};

static struct str
dimension(const struct usage_row *r, struct str by)
{
	struct str tool = r->name;

	if (str_eq(by, STR("customer")))
		return r->customer;
	if (str_eq(by, STR("team")))
		return r->team;
	if (str_eq(by, STR("user")))
		return r->user;
	if (str_eq(by, STR("key")))
		return r->key;
	if (str_eq(by, STR("model")))
		return r->kind == ASK_MODEL ? r->name : STR_NONE;
	if (str_eq(by, STR("tool")))
		return r->kind == ASK_TOOL ? r->name : STR_NONE;
	return r->kind == ASK_TOOL ? str_cut(&tool, '/') : STR_NONE; /* server */
}

static bool
on_cell(void *ctx, const struct usage_row *r)
{
	struct sums *all = ctx;
	struct str name = dimension(r, all->by);
	struct sum *s;

	if (name.p == NULL)
		return true;
	if (name.n == 0)
		name = STR("(none)");
	s = map_get(&all->all, name);
	if (s == NULL) {
		s = mem_zalloc(sizeof(*s));
		s->name = str_dup(name);
		map_set(&all->all, str_of(s->name), s);
	}
	s->requests += r->kind == ASK_MODEL ? r->requests : 0;
	s->calls += r->kind == ASK_TOOL ? r->requests : 0;
	s->runs += r->kind == ASK_RUN ? r->requests : 0;
	s->refused += r->refused;
	s->input += r->input;
	s->output += r->output;
	s->cache_read += r->cache_read;
	s->cache_write += r->cache_write;
	s->cost += r->cost_nusd;
	s->kept += r->kept_bytes;
	s->cpu_us += r->cpu_us;
	s->memory_kb = s->memory_kb > r->memory_kb ? s->memory_kb : r->memory_kb;
	return true;
}

static int
by_cost(const void *a, const void *b)
{
	const struct sum *x = *(struct sum *const *)a, *y = *(struct sum *const *)b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? 1 : -1;
	return str_cmp(str_of(x->name), str_of(y->name));
}

static void
sum_put(struct buf *out, const struct sum *s)
{
	buf_puts(out, "{\"name\":");
	buf_json_str(out, str_of(s->name));
	buf_printf(out,
	    ",\"requests\":%lld,\"calls\":%lld,\"runs\":%lld,\"input_tokens\":%lld,"
	    "\"output_tokens\":%lld,\"cache_read_tokens\":%lld,\"cache_write_tokens\":%lld,"
	    "\"cost_nusd\":%lld,\"kept_bytes\":%lld,\"kept_tokens_estimate\":%lld,"
	    "\"cpu_us\":%lld,\"memory_kb\":%lld,\"refused\":%lld}",
	    (long long)s->requests, (long long)s->calls, (long long)s->runs, (long long)s->input,
	    (long long)s->output, (long long)s->cache_read, (long long)s->cache_write,
	    (long long)s->cost, (long long)s->kept, (long long)(s->kept / TOKEN_BYTES),
	    (long long)s->cpu_us, (long long)s->memory_kb, (long long)s->refused);
}

static void
sums_put(struct sums *all, struct buf *out)
{
	struct sum **rows = mem_alloc((all->all.n + 1) * sizeof(struct sum *));
	struct str key;
	void *value;
	size_t n = 0;

	for (size_t it = 0; map_next(&all->all, &it, &key, &value);)
		rows[n++] = value;
	qsort(rows, n, sizeof(struct sum *), by_cost);
	buf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		sum_put(out, rows[i]);
		free(rows[i]->name);
		free(rows[i]);
	}
	buf_putc(out, ']');
	free(rows);
	map_fini(&all->all);
}

bool
usage_json(const char *data_dir, struct str by, int64_t since_ns, struct buf *out, struct err *e)
{
	static const char words[][9] = { "customer", "team", "user", "key", "model", "tool",
		"server" };
	struct sums all = { .by = by, .since_s = since_ns / 1000000000 };
	struct store *s;
	bool known = false, ok;

	for (size_t i = 0; i < COUNT(words); i++)
		known |= str_eq(by, str_of(words[i]));
	if (!known)
		return err_set(e, ERR_INVALID,
		    "usage is counted by customer, team, user, key, model, tool or server");
	s = store_open_reader(data_dir, e);
	if (s == NULL)
		return false;
	ok = store_usage_each(s, all.since_s, on_cell, &all, e);
	store_close(&s);
	sums_put(&all, out);
	return ok;
}

/* ---- quota ---- */

static void
budget_put(struct buf *out, const struct budget *b, const struct account *a)
{
	int i = (int)b->period - 1;
	int64_t granted = granted_nusd(a);
	int64_t left = room_of(b, granted) - a->used_nusd[i] - a->held_nusd[i];

	buf_printf(out,
	    "{\"period\":\"%s\",\"limit_nusd\":%lld,\"used_nusd\":%lld,\"held_nusd\":%lld,"
	    "\"left_nusd\":%lld,\"resets_at\":",
	    period_word(b->period), (long long)b->amount_nusd, (long long)a->used_nusd[i],
	    (long long)a->held_nusd[i], (long long)(left > 0 ? left : 0));
	buf_utc(out, a->end_s[i]);
	if (granted > 0)
		buf_printf(out, ",\"granted_nusd\":%lld", (long long)granted);
	buf_putc(out, '}');
}

static void
limit_put(struct buf *out, const struct core *c, const struct limit *l, const struct taker *w)
{
	int64_t now_ms = loop_wall_ns(c->loop) / 1000000;
	struct limit_state s;

	limits_look(&c->limits, l, w, loop_mono_ms(c->loop), &s);
	buf_putc(out, '{');
	if (l->level == NULL) {
		buf_puts(out, "\"of\":");
		buf_json_str(out, l->of);
		buf_puts(out, ",\"policy\":");
		buf_json_str(out, l->policy);
		buf_putc(out, ',');
	}
	buf_printf(out, "\"limit\":\"%s\",\"amount\":%lld,", limit_what_word(l->what),
	    (long long)l->amount);
	if (l->period_ms > 0)
		buf_printf(out, "\"period\":\"%s\",", limit_period_word(l->period_ms));
	buf_printf(out, "\"per\":\"%s\",\"used\":%lld,\"held\":%lld,\"left\":%lld",
	    limit_per_word(l->per), (long long)s.used, (long long)s.held, (long long)s.left);
	if (l->period_ms > 0) {
		buf_puts(out, ",\"full_at\":");
		buf_utc(out, (now_ms + s.full_in_ms + 999) / 1000);
	}
	buf_putc(out, '}');
}

static void
limits_put(
    struct buf *out, const struct core *c, const struct limit *l, size_t n, const struct taker *w)
{
	bool first = true;

	buf_puts(out, "\"limits\":[");
	for (size_t i = 0; i < n; i++) {
		if (l[i].per == PER_RUN)
			continue;
		if (!first)
			buf_putc(out, ',');
		limit_put(out, c, &l[i], w);
		first = false;
	}
	buf_putc(out, ']');
}

#define QUOTA_RULES_MAX 100

struct of_rules {
	struct buf *out;
	const struct core *core;
	const struct taker *taker;
	size_t n;
};

static void
of_rule_put(void *ctx, const struct limit *l)
{
	struct of_rules *r = ctx;

	if (l->per == PER_RUN || l->opaque || r->n == QUOTA_RULES_MAX)
		return;
	if (r->n++ > 0)
		buf_putc(r->out, ',');
	limit_put(r->out, r->core, l, r->taker);
}

/* What a script of the key may use: [{"limit":"seconds","amount":20,"text":"20
 * s","policy":"solo:12"}] */
static void
bounds_put(struct buf *out, struct core *c, const struct key *k)
{
	struct bounds all;
	bool first = true;

	if (key_observes(k) || !rules_bounds(c->bundle, &k->subject, &all))
		return;
	for (size_t i = 0; i < BOUNDS; i++) {
		if (all.of[i].most == 0 || all.of[i].opaque)
			continue;
		buf_printf(out, "%s{\"limit\":\"%s\",\"amount\":%lld,\"text\":\"", first ? "" : ",",
		    bound_word((enum bound_kind)i), (long long)all.of[i].most);
		bound_amount_put(out, (enum bound_kind)i, all.of[i].most);
		buf_puts(out, "\",\"policy\":");
		first = false;
		buf_json_str(out, all.of[i].policy);
		buf_putc(out, '}');
	}
}

static void
level_put(struct buf *out, struct core *c, const struct level *l, const struct taker *w)
{
	static const char *const words[] = { "organisation", "customer", "team", "user", "key" };
	struct account *a = account_get(c, l->id);

	account_roll(a, loop_wall_ns(c->loop) / 1000000000);
	buf_printf(out, "{\"level\":\"%s\",\"name\":", words[l->kind]);
	buf_json_str(out, l->kind == LEVEL_KEY ? l->name : l->id);
	buf_puts(out, ",\"budgets\":[");
	for (size_t b = 0; b < l->budgets_n; b++) {
		if (b > 0)
			buf_putc(out, ',');
		budget_put(out, &l->budgets[b], a);
	}
	buf_puts(out, "],");
	limits_put(out, c, l->limits, l->limits_n, w);
	buf_putc(out, '}');
}

/* A customer, team or user is shown also where nothing is said of it: whose key this is. */
static bool
is_shown(const struct level *l)
{
	return (l->kind != LEVEL_KEY && l->kind != LEVEL_ORGANISATION) ||
	       l->budgets_n + l->limits_n > 0;
}

void
core_quota_json(struct core *c, struct key *k, struct buf *out)
{
	const struct subject *s = key_subject(k);
	const struct taker w = { s == NULL ? NULL : &s->chain, str_of(k->name), NULL };
	struct chain all = { 0 };
	bool first = true;

	if (s != NULL)
		key_chain(k, &all);
	buf_puts(out, "{\"key\":");
	buf_json_str(out, str_of(k->id));
	buf_puts(out, ",\"name\":");
	buf_json_str(out, str_of(k->name));
	buf_puts(out, ",\"levels\":[");
	for (size_t i = 0; i < all.n; i++) {
		if (!is_shown(all.level[i]))
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		level_put(out, c, all.level[i], &w);
	}
	buf_puts(out, "],\"rule_limits\":[");
	if (s != NULL)
		rules_limits_each(c->bundle, s, of_rule_put, &(struct of_rules){ out, c, &w, 0 });
	buf_puts(out, "],\"script_limits\":[");
	if (s != NULL)
		bounds_put(out, c, k);
	buf_puts(out, "]}");
}

size_t
core_frequent_tools(struct core *c, const struct key *k, struct str *names, size_t max)
{
	struct str owner[3];

	key_owner(k, owner);
	return frequent_best(&c->frequents, &(struct frequent_of){ owner[0], owner[1], owner[2] },
	    loop_wall_ns(c->loop) / 1000000000, names, max);
}

/* ---- denials ---- */

void
denial_note(struct key *k, const struct pass *p, const struct err *e)
{
	struct denial *d;

	if (k->denials == NULL)
		k->denials = mem_zalloc(DENIALS_MAX * sizeof(*k->denials));
	d = &k->denials[k->denials_n++ % DENIALS_MAX];
	d->ts_ns = p->entered_ns;
	d->kind = p->kind;
	memcpy(d->id, p->id, sizeof(d->id));
	(void)snprintf(d->name, sizeof(d->name), STR_FMT, STR_ARG(p->name));
	(void)snprintf(d->word, sizeof(d->word), "%s", err_word(e->code));
	(void)snprintf(d->why, sizeof(d->why), "%s", e->text);
}

static void
denial_put(const struct denial *d, struct buf *out)
{
	buf_printf(out, "{\"id\":\"%s\",\"at\":", d->id);
	buf_utc(out, d->ts_ns / 1000000000);
	buf_printf(
	    out, ",\"kind\":\"%s\",\"verdict\":\"%s\",\"name\":", kind_word(d->kind), d->word);
	buf_json_str(out, str_of(d->name));
	buf_puts(out, ",\"why\":");
	buf_json_str(out, str_of(d->why));
}

bool
core_decision_json(struct core *c, struct str id, struct buf *out)
{
	struct approval_request *r = approval_find(c, id);

	if (r != NULL)
		approval_json(r, out);
	LIST_EACH(it, &c->keys) {
		const struct key *k = CONTAINER(it, struct key, all);
		size_t n = k->denials_n < DENIALS_MAX ? k->denials_n : DENIALS_MAX;

		for (size_t i = 0; i < n && r == NULL; i++) {
			if (!str_eq(str_of(k->denials[i].id), id))
				continue;
			denial_put(&k->denials[i], out);
			buf_put(out, buf_str(&k->event));
			buf_putc(out, '}');
			return true;
		}
	}
	return r != NULL;
}

void
core_denials_json(const struct key *k, struct buf *out)
{
	size_t n = k->denials_n < DENIALS_MAX ? k->denials_n : DENIALS_MAX;

	buf_putc(out, '[');
	for (size_t i = 1; i <= n; i++) {
		const struct denial *d = &k->denials[(k->denials_n - i) % DENIALS_MAX];

		if (i > 1)
			buf_putc(out, ',');
		denial_put(d, out);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

/* One sample per end and refusal that has happened. */
static void
kind_metrics(enum ask_kind kind, const struct tally *s, struct buf *out)
{
	const char *word = kind_word(kind);

	for (enum pass_end end = END_OK; end <= END_CRASHED; end++)
		if (s->ends[end] > 0)
			buf_printf(out, "tollgate_ends_total{kind=\"%s\",end=\"%s\"} %llu\n", word,
			    end_word(end), (unsigned long long)s->ends[end]);
	for (int code = 0; code < ERR_COUNT; code++)
		if (s->refused[code] > 0)
			buf_printf(out, "tollgate_ends_total{kind=\"%s\",end=\"%s\"} %llu\n", word,
			    err_word((enum err_code)code), (unsigned long long)s->refused[code]);
}

/* Money leaves as nano-dollars: a metric with an exact integer needs no floating point here. */
static void
money_metrics(const struct core *c, struct buf *out)
{
	const struct tally *m = &c->sums[ASK_MODEL];

	buf_puts(out, "# TYPE tollgate_cost_nusd_total counter\n");
	for (enum ask_kind k = ASK_TOOL; k <= ASK_RUN; k++)
		buf_printf(out, "tollgate_cost_nusd_total{kind=\"%s\"} %lld\n", kind_word(k),
		    (long long)c->sums[k].cost_nusd);
	buf_printf(out,
	    "# TYPE tollgate_tokens_total counter\n"
	    "tollgate_tokens_total{type=\"input\"} %lld\n"
	    "tollgate_tokens_total{type=\"output\"} %lld\n"
	    "tollgate_tokens_total{type=\"cache_write\"} %lld\n"
	    "tollgate_tokens_total{type=\"cache_read\"} %lld\n",
	    (long long)m->input, (long long)m->output, (long long)m->cache_write,
	    (long long)m->cache_read);
}

static size_t
keys_usable(struct core *c)
{
	int64_t now_ns = loop_wall_ns(c->loop);
	struct err e;
	size_t n = 0;

	for (struct key *k = key_next(c, NULL); k != NULL; k = key_next(c, k))
		n += key_usable(k, now_ns, &e);
	return n;
}

void
core_metrics(struct core *c, struct buf *out)
{
	struct err e;

	buf_printf(out,
	    "# TYPE tollgate_passes_total counter\n"
	    "tollgate_passes_total{verdict=\"entered\"} %llu\n"
	    "tollgate_passes_total{verdict=\"refused\"} %llu\n"
	    "# TYPE tollgate_passes_open gauge\ntollgate_passes_open %llu\n"
	    "# TYPE tollgate_scribe_backlog_bytes gauge\ntollgate_scribe_backlog_bytes %zu\n"
	    "# TYPE tollgate_core_ready gauge\ntollgate_core_ready %d\n",
	    (unsigned long long)c->entered, (unsigned long long)c->refused,
	    (unsigned long long)(c->entered - c->left), scribe_backlog_bytes(c->scribe),
	    core_ready(c, &e));
	buf_printf(out,
	    "# TYPE tollgate_policy_would_deny_total counter\n"
	    "tollgate_policy_would_deny_total %llu\n",
	    (unsigned long long)c->would_deny);
	redacted_metrics(c, out);
	buf_printf(out,
	    "# TYPE tollgate_limit_buckets gauge\ntollgate_limit_buckets %zu\n"
	    "# TYPE tollgate_limit_waiting gauge\ntollgate_limit_waiting %zu\n",
	    c->limits.by_key.n, c->queued);
	buf_puts(out, "# TYPE tollgate_ends_total counter\n");
	for (enum ask_kind k = ASK_TOOL; k < ASK_KINDS; k++)
		if (k != ASK_ADMIN)
			kind_metrics(k, &c->sums[k], out);
	money_metrics(c, out);
	buf_printf(
	    out, "# TYPE tollgate_keys_usable gauge\ntollgate_keys_usable %zu\n", keys_usable(c));
	reload_metrics(c->reload, out);
	approvals_metrics(c, out);
}
