/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval - one call that waits for people, from the question to its one use.
 *
 *   approval_open() --> WAITING --approval_answer(): all rules have their yes--> GRANTED
 *                          |  |                                                   |   |
 *                          |  \--a no--> DENIED                 approval_use() ---/   |
 *                          |                                      --> USED            |
 *                          \--time, the key's end, other policies, the caller gone----+--> EXPIRED
 *
 * approval_turn() is every edge: it writes the row that is both the audit's and the database's, in
 * the journal like any other, and tells whoever waits.  Memory is what decides; the database brings
 * it back after a restart, and never lets a row leave USED, DENIED or EXPIRED.
 *
 * One call may have several rounds, when a server of 2026-07-28 answers it by asking the client:
 * the next round goes on under the same request, once, by the number that the last one was told.
 *
 * A request is bound to its key, the tool, the digest of the very bytes of the arguments and the
 * revision of the policies.  A granted one that is not used in time expires like a question nobody
 * answered.  A no is kept as long as the question would have been, so that the same call is not
 * asked about again and again.
 */
#include "policies/approvals.h"

#include <stdlib.h>
#include <string.h>

#include "policies/place.h"

const char *
approval_state_word(enum approval_state s)
{
	static const char *const words[] = { "", "waiting", "granted", "denied", "expired",
		"used" };

	return words[s];
}

const char *
approval_way_word(enum approval_way w)
{
	static const char *const words[] = { "", "elicitation", "webhook", "cli" };

	return words[w];
}

bool
approval_over(const struct approval_request *r)
{
	return r->state == APPROVAL_EXPIRED || r->state == APPROVAL_USED ||
	       r->state == APPROVAL_DENIED;
}

/* ---- rows ---- */

static void
member(struct buf *b, const char *name, struct str v)
{
	if (v.n == 0)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json_str(b, v);
}

static int64_t
given_bits(const struct approval_request *r)
{
	int64_t bits = 0;

	for (size_t i = 0; i < r->needs_n; i++)
		bits |= (int64_t)r->needs[i].given << i;
	return bits;
}

/* The arguments are for whoever decides; what is decided keeps their digest alone. */
void
approval_row(const struct approval_request *r, const char *what, struct str by, struct str why)
{
	const struct approval_row row = { .id = str_of(r->id),
		.key = str_of(r->key->id),
		.name = r->name,
		.rev = r->rev,
		.rules = r->rules,
		.shown = approval_over(r) ? STR("") : r->shown,
		.args = r->args,
		.args_bytes = r->args_bytes,
		.kind = (int)r->kind,
		.state = (int)r->state,
		.given = given_bits(r),
		.created_ns = r->created_ns,
		.expires_ns = r->expires_ns };
	int64_t now_ns = loop_wall_ns(r->core->loop);
	struct buf *b = core_record_begin(r->core);
	size_t at = record_begin(b, row.id, STR(""), now_ns);

	buf_printf(b, "{\"ts_ns\":%lld,\"verdict\":\"ok\"", (long long)now_ns);
	member(b, "id", row.id);
	buf_printf(b, ",\"kind\":\"admin\",\"name\":\"approval.%s\"", what);
	member(b, "actor", by);
	member(b, "of", r->name);
	buf_put(b, buf_str(&r->key->event));
	member(b, "rule", r->rules);
	buf_puts(b, ",\"args_sha256\":\"");
	buf_hex(b, r->args.b, SHA256_BYTES);
	buf_putc(b, '"');
	member(b, "rev", r->rev);
	buf_printf(b, ",\"entered_ns\":%lld", (long long)now_ns);
	member(b, "why", why);
	buf_puts(b, ",\"end\":\"ok\"}");
	record_end(b, at, &(struct record_rows){ .approval = &row });
	core_record_end(r->core, RECORD_DONE);
}

/* ---- life ---- */

static void
request_free(struct approval_request *r)
{
	struct approvals *all = &r->core->approvals;

	ASSERT(r->waiter == NULL);
	timer_stop(&r->ttl);
	link_drop(&r->all);
	link_drop(&r->of_key);
	(void)map_del(&all->by_id, str_of(r->id));
	arena_free(&r->arena);
	r->magic = 0;
	free(r);
}

/* Nothing can come of it any more: it is only known for a while, less than a call may wait. */
static void
retire(struct approval_request *r)
{
	struct approvals *all = &r->core->approvals;

	if (r->waiter != NULL)
		approval_wait_drop(r->waiter);
	timer_stop(&r->ttl);
	link_drop(&r->of_key);
	link_drop(&r->all);
	link_push(&all->over, &r->all);
	all->open_n--;
	if (++all->over_n <= APPROVALS_OVER_MAX)
		return;
	all->over_n--;
	request_free(CONTAINER(all->over.next, struct approval_request, all));
}

void
approval_expire(void *request)
{
	struct approval_request *r = request;

	if (r->state == APPROVAL_DENIED)
		retire(r);
	else
		approval_turn(r, APPROVAL_EXPIRED, STR("gateway"),
		    r->state == APPROVAL_WAITING ? STR("nobody answered in time")
						 : STR("it was not used in time"));
}

void
approval_clock(struct approval_request *r)
{
	int64_t ms = (r->expires_ns - loop_wall_ns(r->core->loop) + 999999) / 1000000;

	timer_set(r->core->loop, &r->ttl, ms < 0 ? 0 : ms, approval_expire, r);
}

void
approval_turn(struct approval_request *r, enum approval_state to, struct str by, struct str why)
{
	struct approval_wait *w =
	    r->waiter; /* retire() lets go of it, and it is told all the same */

	IS(r, APPROVAL_MAGIC);
	ASSERT(!approval_over(r) && to > r->state);
	ASSERT(to != APPROVAL_USED || r->state == APPROVAL_GRANTED);
	ASSERT(to != APPROVAL_DENIED || r->state == APPROVAL_WAITING);
	r->state = to;
	r->by = arena_str(&r->arena, str_clip(by, APPROVAL_REASON_BYTES));
	r->why = arena_str(&r->arena, str_clip(why, APPROVAL_REASON_BYTES));
	r->core->approvals.turns[to]++;
	approval_row(r, approval_state_word(to), r->by, r->why);
	if (to == APPROVAL_USED || to == APPROVAL_EXPIRED)
		retire(r);
	if (w != NULL)
		w->fn(w->ctx);
}

struct approval_request *
approval_new(struct core *c, struct key *k, const struct ask *a, const struct sha256 *args)
{
	struct approval_request *r = mem_zalloc(sizeof(*r));
	struct buf shown;

	r->magic = APPROVAL_MAGIC;
	r->core = c;
	r->key = k;
	r->state = APPROVAL_WAITING;
	r->kind = a->kind;
	r->args = *args;
	r->args_bytes = (int64_t)a->args.n;
	arena_init(&r->arena, APPROVAL_ARENA_BYTES);
	r->name = arena_str(&r->arena, a->name);
	r->rev = arena_str(&r->arena, bundle_rev(c->bundle));
	r->rules = r->text = r->by = r->why = STR("");
	buf_init(&shown, 0);
	text_show(a->args, APPROVAL_SHOWN_BYTES, &shown);
	r->shown = arena_str(&r->arena, buf_str(&shown));
	buf_fini(&shown);
	memcpy(r->id, "d_", 2);
	base62_random(r->id + 2, APPROVAL_ID_BYTES - 2);
	link_init(&r->all);
	link_init(&r->of_key);
	return r;
}

void
approval_drop(struct approval_request *r)
{
	request_free(r);
}

static void
enlist(struct approval_request *r)
{
	struct approvals *all = &r->core->approvals;

	map_set(&all->by_id, str_of(r->id), r);
	link_push(&all->open, &r->all);
	link_push(&r->key->approvals, &r->of_key);
	all->open_n++;
}

void
approval_open(struct approval_request *r, int64_t expires_s)
{
	r->created_ns = loop_wall_ns(r->core->loop);
	r->expires_ns = r->created_ns + expires_s * 1000000000;
	enlist(r);
	r->core->approvals.turns[APPROVAL_WAITING]++;
	approval_row(r, "asked", str_of(r->key->id), STR(""));
	approval_clock(r);
}

void
approval_withdraw(struct approval_request *r, const char *why)
{
	if (!approval_over(r))
		approval_turn(r, APPROVAL_EXPIRED, str_of(r->key->id), str_of(why));
}

/* ---- what ends many ---- */

void
approvals_key_end(struct key *k, const char *why)
{
	LIST_EACH(it, &k->approvals) {
		struct approval_request *r = CONTAINER(it, struct approval_request, of_key);

		if (!approval_over(r))
			approval_turn(r, APPROVAL_EXPIRED, STR("gateway"), str_of(why));
	}
}

void
approvals_rebind(struct core *c)
{
	LIST_EACH(it, &c->approvals.open) {
		struct approval_request *r = CONTAINER(it, struct approval_request, all);

		if (!approval_over(r) &&
		    (!str_eq(r->rev, bundle_rev(c->bundle)) || !approval_needs_find(r)))
			approval_turn(r, APPROVAL_EXPIRED, STR("gateway"),
			    STR("the policies have changed since it was asked"));
	}
}

/* ---- after a restart ---- */

static void
row_read(struct approval_request *r, const struct approval_row *row)
{
	(void)str_copy(r->id, sizeof(r->id), row->id);
	r->state = (enum approval_state)row->state;
	r->rev = arena_str(&r->arena, row->rev);
	r->rules = arena_str(&r->arena, row->rules);
	r->shown = arena_str(&r->arena, row->shown);
	r->args_bytes = row->args_bytes;
	r->created_ns = row->created_ns;
	r->expires_ns = row->expires_ns;
	for (size_t i = 0; i < APPROVAL_RULES_MAX; i++)
		r->needs[i].given = ((row->given >> i) & 1) != 0;
}

bool
approvals_load(void *ctx, const struct approval_row *row)
{
	struct core *c = ctx;
	struct key *k = map_get(&c->by_id, row->key);
	struct approval_request *r;

	if (k == NULL || row->state < APPROVAL_WAITING || row->state > APPROVAL_DENIED ||
	    c->approvals.open_n >= APPROVALS_MAX ||
	    row->name.n + row->rules.n + row->shown.n > APPROVAL_ARENA_BYTES / 4)
		return true;
	r = approval_new(
	    c, k, &(struct ask){ .kind = (enum ask_kind)row->kind, .name = row->name }, &row->args);
	row_read(r, row);
	enlist(r);
	if (!approval_over(r) &&
	    (!str_eq(r->rev, bundle_rev(c->bundle)) || !approval_needs_find(r)))
		approval_turn(r, APPROVAL_EXPIRED, STR("gateway"),
		    STR("the policies have changed since it was asked"));
	else if (loop_wall_ns(c->loop) >= r->expires_ns)
		approval_expire(r);
	else
		approval_clock(r);
	return true;
}

void
approvals_init(struct approvals *all)
{
	link_init(&all->open);
	link_init(&all->over);
}

void
approvals_fini(struct approvals *all)
{
	struct link *lists[] = { &all->open, &all->over };

	for (size_t i = 0; i < COUNT(lists); i++)
		while (lists[i]->next != NULL && !link_empty(lists[i]))
			request_free(CONTAINER(lists[i]->next, struct approval_request, all));
	map_fini(&all->by_id);
}

/* ---- what others see ---- */

struct approval_request *
approval_find(struct core *c, struct str id)
{
	return map_get(&c->approvals.by_id, id);
}

struct approval_request *
approval_next(struct core *c, struct approval_request *after)
{
	struct link *it = after == NULL ? c->approvals.open.next : after->all.next;

	return it == &c->approvals.open ? NULL : CONTAINER(it, struct approval_request, all);
}

struct str
approval_id(const struct approval_request *r)
{
	return str_of(r->id);
}

enum approval_state
approval_state(const struct approval_request *r)
{
	return r->state;
}

void
approval_wait(struct approval_request *r, struct approval_wait *w)
{
	ASSERT(r->waiter == NULL && !approval_over(r));
	r->waiter = w;
	w->request = r;
}

void
approval_wait_drop(struct approval_wait *w)
{
	if (w->request != NULL)
		w->request->waiter = NULL;
	w->request = NULL;
}

void
core_on_approval(struct core *c, void (*fn)(void *ctx, const struct approval_request *r), void *ctx)
{
	c->approvals.webhook = fn;
	c->approvals.webhook_ctx = ctx;
}

bool
approval_is_of(const struct approval_request *r, const struct key *k)
{
	return r->key == k;
}

void
approvals_metrics(const struct core *c, struct buf *out)
{
	buf_puts(out, "# TYPE tollgate_approvals_total counter\n");
	for (enum approval_state s = APPROVAL_WAITING; s <= APPROVAL_USED; s++)
		buf_printf(out, "tollgate_approvals_total{state=\"%s\"} %llu\n",
		    s == APPROVAL_WAITING ? "asked" : approval_state_word(s),
		    (unsigned long long)c->approvals.turns[s]);
	buf_printf(out, "# TYPE tollgate_approvals_open gauge\ntollgate_approvals_open %zu\n",
	    c->approvals.open_n);
}
