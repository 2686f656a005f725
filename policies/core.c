/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core - opens and turns the governance core.
 *
 * Start: DATA/lock -> database, not older than DATA/anchor -> journal replayed (recover.c)
 * -> keys -> bundle and prices -> accounts from the ledger -> scribe.
 *
 * Each turn: core_turn() writes the journal once; the records then go to the scribe.  When the
 * write fails, or the scribe falls too far behind, nothing new is admitted until it works again;
 * what was queued stays queued.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "policies/anchor.h"
#include "policies/facts.h"

#define QUEUE_BYTES_MAX   ((size_t)16 << 20) /* records that could not be written yet */
#define BACKLOG_BYTES_MAX ((size_t)32 << 20) /* records the scribe has not applied yet */
#define RETRY_MS          100
#define LABELLED_ROWS     200000 /* that a start looks through, when a rule says after: */
#define USED_ROWS         50000  /* likewise, where there are snippets */
#define LABELLED_BYTES    ((size_t)1 << 20)
#define APPROVAL_KEPT_NS  (30ll * 86400 * 1000000000)

/* ---- loading ---- */

static bool
on_key(void *ctx, const struct key_row *r)
{
	(void)key_add(ctx, r);
	return true;
}

static bool
on_note(void *ctx, const struct note_row *r)
{
	grant_recall(ctx, r);
	alert_recall(ctx, r);
	return true;
}

static void
charge_key(struct core *c, const struct usage_row *r, int64_t now_s)
{
	const struct key *k = map_get(&c->by_id, r->key);

	if (k != NULL)
		account_charge(account_get(c, k->level.id), r->quarter_s, now_s, r->cost_nusd);
}

/* The ids are those of struct level: "acme", "acme/payments", "acme/payments/ana", "acme//bob"; the
 * organisation's is everybody's, whoever has been forgotten since. */
static bool
on_usage(void *ctx, const struct usage_row *r)
{
	struct core *c = ctx;
	int64_t now_s = loop_wall_ns(c->loop) / 1000000000;
	char id[512];

	afford_recall(c, r);
	scripts_recall(c, r);
	if (r->kind == ASK_TOOL)
		frequent_learn(&c->frequents,
		    &(struct frequent_of){ r->customer, r->team, r->user }, r->name, r->quarter_s,
		    r->requests);
	if (r->cost_nusd == 0)
		return true;
	charge_key(c, r, now_s);
	account_charge(account_get(c, STR(ORGANISATION_ID)), r->quarter_s, now_s, r->cost_nusd);
	if (r->customer.n == 0)
		return true;
	(void)snprintf(id, sizeof(id), STR_FMT, STR_ARG(r->customer));
	account_charge(account_get(c, str_of(id)), r->quarter_s, now_s, r->cost_nusd);
	if (r->team.n > 0) {
		(void)snprintf(
		    id, sizeof(id), STR_FMT "/" STR_FMT, STR_ARG(r->customer), STR_ARG(r->team));
		account_charge(account_get(c, str_of(id)), r->quarter_s, now_s, r->cost_nusd);
	}
	if (r->user.n > 0) {
		(void)snprintf(id, sizeof(id), STR_FMT "/" STR_FMT "/" STR_FMT,
		    STR_ARG(r->customer), STR_ARG(r->team), STR_ARG(r->user));
		account_charge(account_get(c, str_of(id)), r->quarter_s, now_s, r->cost_nusd);
	}
	return true;
}

/* What sessions had got before the restart. */
static void
flow_recall(struct core *c, const struct audit_row *r)
{
	struct str raw, key, labels, session = STR("");
	struct arena a;

	if (memmem(r->event.p, r->event.n, "\"labels\":", 9) == NULL)
		return;
	arena_init(&a, LABELLED_BYTES);
	if (r->event.n <= LABELLED_BYTES / 8 && json_get(r->event, STR("labels"), &raw) &&
	    json_string(raw, &a, &labels) && json_get(r->event, STR("end"), &raw) &&
	    json_get(r->event, STR("key"), &raw) && json_string(raw, &a, &key) &&
	    (!json_get(r->event, STR("session"), &raw) || json_string(raw, &a, &session)))
		flow_add(&c->flows, key, session, labels_parse(labels), r->ts_ns / 1000000);
	arena_free(&a);
}

struct recalling {
	struct core *c;
	int64_t flows_after, uses_after; /* row numbers; INT64_MAX: not looked for */
};

static bool
on_newest(void *ctx, const struct audit_row *r)
{
	const struct recalling *rc = ctx;

	if (r->seq > rc->flows_after)
		flow_recall(rc->c, r);
	if (r->seq > rc->uses_after)
		snippets_recall(rc->c, r);
	return true;
}

/* What no other table has: the newest rows tell. */
static bool
newest_load(struct core *c, struct store *s, struct err *e)
{
	struct recalling rc = { c, INT64_MAX, INT64_MAX };
	struct sha256 hash;
	uint64_t applied;
	int64_t head, after;

	if (!store_head(s, &head, &hash, &applied, e))
		return false;
	if (rules_flow(c->bundle))
		rc.flows_after = head > LABELLED_ROWS ? head - LABELLED_ROWS : 0;
	if (snippets_any(c))
		rc.uses_after = head > USED_ROWS ? head - USED_ROWS : 0;
	after = rc.flows_after < rc.uses_after ? rc.flows_after : rc.uses_after;
	return after == INT64_MAX || store_audit_each(s, after, on_newest, &rc, e);
}

static bool
load(struct core *c, struct store *s, struct err *e)
{
	int64_t now_s = loop_wall_ns(c->loop) / 1000000000, year, week, end;

	period_bounds(core_zone(c), PERIOD_YEAR, now_s, &year, &end);
	period_bounds(core_zone(c), PERIOD_WEEK, now_s, &week, &end);
	return store_key_each(s, on_key, c, e) && store_note_each(s, on_note, c, e) &&
	       newest_load(c, s, e) && store_kept_prune(s, loop_wall_ns(c->loop), e) &&
	       store_approvals_prune(s, loop_wall_ns(c->loop) - APPROVAL_KEPT_NS, e) &&
	       store_approval_each(s, approvals_load, c, e) &&
	       store_usage_each(s, week < year ? week : year, on_usage, c, e);
}

static bool
policies_load(struct core *c, const struct core_settings *s, struct err *e)
{
	c->bundle = bundle_of(s, NULL, e);
	if (c->bundle == NULL)
		return false;
	arena_init(&c->prices_arena, PRICES_BYTES);
	return s->prices_file == NULL ||
	       prices_load(&c->prices_arena, s->prices_file, &c->prices, NULL, e);
}

struct bundle *
core_bundle(struct core *c)
{
	IS(c, CORE_MAGIC);
	return c->bundle;
}

struct str
core_revision(const struct core *c)
{
	return bundle_rev(c->bundle);
}

/* ---- turning ---- */

/* A record made after this turn's write must not wait for the next event: another turn follows. */
static void
nudge(void *ctx)
{
	(void)ctx;
}

struct buf *
core_record_begin(struct core *c)
{
	return journal_begin(c->journal);
}

void
core_record_end(struct core *c, enum record_type t)
{
	(void)journal_end(c->journal, (uint8_t)t);
	loop_defer(c->loop, &c->nudge, nudge, c);
}

/* What is queued goes to the disk, and from there to the scribe. */
static bool
records_write(struct core *c, struct err *e)
{
	struct buf written;

	buf_init(&written, 0);
	if (!journal_write(c->journal, &written, e))
		return false;
	scribe_give(c->scribe, &written);
	return true;
}

static void
retry(void *ctx)
{
	(void)ctx; /* the turn that this ends writes again */
}

/* A large file: what is still open is written again into a new one, the rest can go. */
static bool
rotate(struct core *c)
{
	struct err e;

	if (c->pruning || !journal_wants_rotate(c->journal) || !journal_rotate(c->journal, &e))
		return false;
	events_carry(c);
	c->pruning = true;
	c->prune_seq = journal_last(c->journal);
	return true;
}

static bool
core_turn(void *ctx)
{
	struct core *c = ctx;
	bool ok = records_write(c, &c->journal_err);

	if (ok && rotate(c))
		ok = records_write(c, &c->journal_err);
	if (ok != c->journal_ok) {
		if (ok)
			log_info(NULL, "the journal can be written again");
		else
			log_error(NULL, "the journal cannot be written",
			    F_TEXT("why", c->journal_err.text));
	}
	c->journal_ok = ok;
	if (!ok)
		timer_set(c->loop, &c->retry, RETRY_MS, retry, c);
	return ok;
}

bool
core_ready(const struct core *c, struct err *e)
{
	IS(c, CORE_MAGIC);
	if (!c->journal_ok) {
		*e = c->journal_err;
		return false;
	}
	if (journal_queued(c->journal) > QUEUE_BYTES_MAX)
		return err_set(e, ERR_STORE, "too many records wait for the journal");
	if (scribe_failing(c->scribe, e))
		return false;
	return scribe_backlog_bytes(c->scribe) <= BACKLOG_BYTES_MAX ||
	       err_set(e, ERR_STORE, "the database is too far behind");
}

/* ---- durability ---- */

/* Two lists: those whose records are covered by cur_seq, and those that came after it was taken.
 * A waiter that is dropped leaves its list by itself. */
static void
durable_run(struct core *c)
{
	for (;;) {
		if (!link_empty(&c->durable) && c->durable_seq < c->cur_seq)
			return;
		while (!link_empty(&c->durable)) {
			struct deferred *d = CONTAINER(c->durable.next, struct deferred, link);

			link_drop(&d->link);
			loop_defer(c->loop, d, d->fn, d->ctx);
		}
		if (link_empty(&c->durable_next))
			return;
		while (!link_empty(&c->durable_next)) {
			struct link *it = c->durable_next.next;

			link_drop(it);
			link_push(&c->durable, it);
		}
		c->cur_seq = journal_last(c->journal);
	}
}

static void
on_commit(void *ctx, int events)
{
	struct core *c = ctx;
	uint64_t n;

	(void)events;
	if (read(scribe_event_fd(c->scribe), &n, sizeof(n)) < 0)
		return;
	c->durable_seq = scribe_applied(c->scribe);
	if (c->pruning && scribe_anchored(c->scribe) >= c->prune_seq) {
		journal_prune(c->journal);
		c->pruning = false;
	}
	durable_run(c);
}

void
core_when_durable(struct core *c, struct deferred *d, deferred_f *fn, void *ctx)
{
	if (c->strict)
		core_when_committed(c, d, fn, ctx);
	else /* the journal's write of this turn is enough */
		loop_after_journal(c->loop, d, fn, ctx);
}

void
core_when_committed(struct core *c, struct deferred *d, deferred_f *fn, void *ctx)
{
	if (d->link.next == NULL)
		link_init(&d->link);
	ASSERT(link_empty(&d->link));
	d->fn = fn;
	d->ctx = ctx;
	link_push(&c->durable_next, &d->link);
	durable_run(c);
}

/* ---- life ---- */

static int
lock_open(const char *path, const char *data_dir, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char pid[16] = "";
	ssize_t n;

	if (fd < 0)
		(void)err_set(e, ERR_STORE, "cannot open %s (%s)", path, strerrorname_np(errno));
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	n = read(fd, pid, sizeof(pid) - 1);
	(void)close(fd);
	(void)err_set(e, ERR_STORE,
	    "%s is served by process %s (stop it first; a second gateway needs a data folder of "
	    "its "
	    "own)",
	    data_dir, n > 0 ? pid : "(unknown)");
	return -1;
}

int
data_lock(const char *data_dir, struct err *e)
{
	char path[4096], pid[16];
	int fd, n;

	if (mkdir(data_dir, 0700) != 0 && errno != EEXIST) {
		(void)err_set(
		    e, ERR_STORE, "cannot make %s (%s)", data_dir, strerrorname_np(errno));
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/lock", data_dir);
	fd = lock_open(path, data_dir, e);
	if (fd < 0)
		return -1;
	n = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)n, 0) == n)
		return fd;
	(void)err_set(e, ERR_STORE, "cannot write %s (%s)", path, strerrorname_np(errno));
	(void)close(fd);
	return -1;
}

static bool
core_start(struct core *c, const struct core_settings *s, struct err *e)
{
	struct store *store;
	struct anchor anchor;
	uint64_t applied = 0;
	bool ok;

	anchor_init(&anchor);
	c->lock_fd = data_lock(c->data_dir, e);
	if (c->lock_fd < 0)
		return false;
	c->reload = reload_new(c, s, e);
	if (c->reload == NULL || !policies_load(c, s, e))
		return false;
	store = store_open(c->data_dir, e);
	ok = store != NULL && anchor_check(c->data_dir, store, &anchor, e) &&
	     recover(c, store, &anchor, &applied, e) && load(c, store, e);
	if (!ok) {
		anchor_fini(&anchor);
		store_close(&store);
		return false;
	}
	c->scribe = scribe_start(&store, &anchor, c->data_dir, !c->strict, e);
	if (c->scribe == NULL)
		return false;
	c->durable_seq = applied;
	c->scribe_watch = watch_new(c->loop, scribe_event_fd(c->scribe), on_commit, c);
	watch_set(c->scribe_watch, WATCH_READ);
	c->journal_ok = true;
	loop_on_journal(c->loop, core_turn, c);
	keys_expiry_set(c);
	return true;
}

struct core *
core_open(struct loop *l, const struct core_settings *s, struct err *e)
{
	struct core *c = mem_zalloc(sizeof(*c));

	c->magic = CORE_MAGIC;
	c->loop = l;
	c->lock_fd = -1;
	c->data_dir = mem_strdup(s->data_dir);
	c->strict = s->strict;
	link_init(&c->keys);
	link_init(&c->grants);
	usuals_init(&c->usuals);
	frequents_init(&c->frequents);
	limits_init(&c->limits);
	approvals_init(&c->approvals);
	flows_init(&c->flows);
	breaker_init(&c->breaker);
	link_init(&c->durable);
	link_init(&c->durable_next);
	if (!core_start(c, s, e))
		core_close(&c);
	return c;
}

static void
accounts_free(struct core *c)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&c->accounts, &it, &key, &value);) {
		struct account *a = map_del(&c->accounts, key);

		free(a->id);
		free(a);
	}
	map_fini(&c->accounts);
}

void
core_close(struct core **cp)
{
	struct core *c = *cp;
	struct err e;

	if (c == NULL)
		return;
	IS(c, CORE_MAGIC);
	*cp = NULL;
	reload_free(&c->reload);
	if (c->scribe != NULL) {
		loop_on_journal(c->loop, NULL, NULL);
		if (!records_write(c, &e))
			log_error(
			    NULL, "the last records could not be written", F_TEXT("why", e.text));
		timer_stop(&c->retry);
		timer_stop(&c->expiry);
		deferred_drop(&c->nudge);
		watch_free(&c->scribe_watch);
		scribe_stop(&c->scribe);
	}
	journal_close(&c->journal);
	approvals_fini(&c->approvals);
	keys_free(c);
	grants_free(c);
	usuals_fini(&c->usuals);
	frequents_fini(&c->frequents);
	accounts_free(c);
	limits_fini(&c->limits);
	core_redact_free(c);
	breaker_fini(&c->breaker);
	flows_fini(&c->flows);
	if (c->bundle != NULL)
		bundle_free(&c->bundle);
	arena_free(&c->prices_arena);
	if (c->lock_fd >= 0)
		(void)close(c->lock_fd);
	free(c->data_dir);
	c->magic = 0;
	free(c);
}
