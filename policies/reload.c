/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - the policy files are read again while the gateway serves.
 *
 *   IDLE --core_reload()--> READING --a thread's bundle_load()--> SWAPPING
 *   SWAPPING --end of that turn, swap()--> IDLE, or READING again when somebody asked meanwhile
 *
 * Files are read and compiled in a thread, so the loop never waits for a disk.  The new bundle
 * takes the old one's place at the end of a turn, when nobody holds a pointer into either but the
 * keys, which are resolved anew.  A bundle with an error in it changes nothing.  A pass that is
 * open keeps what it entered with: its owner, its rule and its revision; a key whose owner is gone
 * from the files loses its passes.
 *
 * The table of prices is read with them, and takes its place with them.
 *
 * Whoever asks while a bundle is being read waits for the next reading: theirs may have changed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "policies/core.h"
#include "policies/facts.h"
#include "policies/notice.h"

#define ACTOR_BYTES 64

struct reload {
	struct core *core;
	struct core_settings settings; /* borrowed */
	int event_fd;
	struct watch *watch;
	struct deferred swap;
	bool reading, again;
	char actor[ACTOR_BYTES], next_actor[ACTOR_BYTES];
	struct link waiting, next; /* struct reload_wait: for this reading, for the next */

	/* The thread's, from its start until it is joined. */
	pthread_t thread;
	struct bundle *made;
	struct arena prices_arena;
	struct prices prices;
	struct err err;
	struct notice *notice; /* NULL: files are not watched */

	void (*changed)(void *ctx);
	void *changed_ctx;
	uint64_t ok, failed;
	int64_t loaded_ns;
	bool bad; /* the last reading failed: err */
};

static void read_start(struct reload *r);

static void *
read_main(void *arg)
{
	struct reload *r = arg;
	uint64_t one = 1;

	r->made = bundle_of(&r->settings, NULL, &r->err);
	if (r->made != NULL && r->settings.prices_file != NULL &&
	    !prices_load(&r->prices_arena, r->settings.prices_file, &r->prices, NULL, &r->err))
		bundle_free(&r->made);
	crypto_thread_end();
	if (write(r->event_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		UNREACHABLE(); /* the counter is never near its end */
	return NULL;
}

/* ---- the end of a reading ---- */

static void
tell(struct reload *r, const struct err *e)
{
	struct link told = { 0 };

	link_init(&told);
	while (!link_empty(&r->waiting)) {
		struct link *it = r->waiting.next;

		link_drop(it);
		link_push(&told, it);
	}
	while (!link_empty(&told)) {
		struct reload_wait *w = CONTAINER(told.next, struct reload_wait, link);

		link_drop(&w->link);
		w->fn(w->ctx, e);
	}
}

static void
accept(struct reload *r)
{
	struct core *c = r->core;
	struct bundle *old = c->bundle;
	bool rezone = !str_eq(bundle_zone_name(old), bundle_zone_name(r->made));

	c->bundle = r->made;
	r->made = NULL;
	arena_free(&c->prices_arena);
	c->prices_arena = r->prices_arena;
	c->prices = r->prices;
	r->ok++;
	r->bad = false;
	r->loaded_ns = loop_wall_ns(c->loop);
	keys_resolve(c);
	approvals_rebind(c); /* from here on nobody points into the old one */
	bundle_free(&old);
	if (rezone)
		accounts_rezone(c);
	event_note(c, str_of(r->actor), "policies.reload", NULL);
	log_info(NULL, "policies loaded", F_STR("rev", bundle_rev(c->bundle)));
	keys_orphans_cut(c);
	if (r->changed != NULL)
		r->changed(r->changed_ctx);
	tell(r, NULL);
}

static void
swap(void *ctx)
{
	struct reload *r = ctx;
	struct err e;

	(void)pthread_join(r->thread, NULL);
	r->reading = false;
	if (r->made != NULL) {
		accept(r);
	} else {
		arena_free(&r->prices_arena);
		e = r->err;
		r->failed++;
		r->bad = true;
		event_note(r->core, str_of(r->actor), "policies.reload", &e);
		log_error(NULL, "policies kept: the new ones are wrong", F_TEXT("why", e.text));
		tell(r, &e);
	}
	if (r->again)
		read_start(r);
}

static void
on_read(void *ctx, int events)
{
	struct reload *r = ctx;
	uint64_t n;

	(void)events;
	if (read(r->event_fd, &n, sizeof(n)) > 0)
		loop_defer(r->core->loop, &r->swap, swap, r);
}

static void
read_start(struct reload *r)
{
	r->again = false;
	memcpy(r->actor, r->next_actor, sizeof(r->actor));
	while (!link_empty(&r->next)) {
		struct link *it = r->next.next;

		link_drop(it);
		link_push(&r->waiting, it);
	}
	err_clear(&r->err);
	arena_init(&r->prices_arena, PRICES_BYTES);
	r->prices = (struct prices){ 0 };
	if (pthread_create(&r->thread, NULL, read_main, r) == 0) {
		r->reading = true;
		return;
	}
	arena_free(&r->prices_arena);
	(void)err_set(&r->err, ERR_INTERNAL, "no thread to read the policies with");
	r->failed++;
	r->bad = true;
	tell(r, &r->err);
}

static void
on_notice(void *ctx)
{
	struct reload *r = ctx;

	log_info(NULL, "the policy files have changed");
	core_reload(r->core, STR("files"), NULL);
}

/* ---- towards the rest ---- */

void
core_reload(struct core *c, struct str actor, struct reload_wait *w)
{
	struct reload *r = c->reload;

	IS(c, CORE_MAGIC);
	if (!str_copy(r->next_actor, sizeof(r->next_actor), actor))
		r->next_actor[0] = '\0';
	if (w != NULL) {
		link_init(&w->link);
		link_push(&r->next, &w->link);
	}
	if (r->reading)
		r->again = true;
	else
		read_start(r);
}

void
reload_wait_drop(struct reload_wait *w)
{
	if (w->link.next != NULL)
		link_drop(&w->link);
}

void
core_on_policies(struct core *c, void (*fn)(void *ctx), void *ctx)
{
	c->reload->changed = fn;
	c->reload->changed_ctx = ctx;
}

void
core_policies_json(const struct core *c, struct buf *out)
{
	const struct reload *r = c->reload;

	buf_puts(out, "{\"rev\":");
	buf_json_str(out, bundle_rev(c->bundle));
	buf_printf(out, ",\"loaded_ns\":%lld,\"reloads\":%llu,\"failed\":%llu",
	    (long long)r->loaded_ns, (unsigned long long)r->ok, (unsigned long long)r->failed);
	if (r->bad) {
		buf_puts(out, ",\"kept_because\":");
		buf_json_str(out, str_of(r->err.text));
	}
	buf_putc(out, '}');
}

void
reload_metrics(const struct reload *r, struct buf *out)
{
	buf_printf(out,
	    "# TYPE tollgate_policies_reloads_total counter\n"
	    "tollgate_policies_reloads_total{result=\"ok\"} %llu\n"
	    "tollgate_policies_reloads_total{result=\"kept\"} %llu\n"
	    "# TYPE tollgate_policies_current gauge\ntollgate_policies_current %d\n"
	    "# TYPE tollgate_policy_reload_failed gauge\ntollgate_policy_reload_failed %d\n"
	    "# TYPE tollgate_policies_loaded_seconds gauge\n"
	    "tollgate_policies_loaded_seconds %lld\n",
	    (unsigned long long)r->ok, (unsigned long long)r->failed, !r->bad, r->bad,
	    (long long)(r->loaded_ns / 1000000000));
}

/* ---- life ---- */

struct reload *
reload_new(struct core *c, const struct core_settings *s, struct err *e)
{
	struct reload *r = mem_zalloc(sizeof(*r));

	r->core = c;
	r->settings = *s;
	r->loaded_ns = loop_wall_ns(c->loop);
	link_init(&r->waiting);
	link_init(&r->next);
	r->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->event_fd < 0) {
		(void)err_set(e, ERR_INTERNAL, "no eventfd (%s)", strerrorname_np(errno));
		free(r);
		return NULL;
	}
	r->watch = watch_new(c->loop, r->event_fd, on_read, r);
	watch_set(r->watch, WATCH_READ);
	if (s->watch) {
		const char *const files[] = { s->prices_file != NULL ? s->prices_file : s->also,
			s->also };
		size_t n = (s->prices_file != NULL) + (s->also != NULL);

		r->notice = notice_new(c->loop, s->policies_dir, files, n, on_notice, r);
	}
	return r;
}

void
reload_free(struct reload **rp)
{
	struct reload *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	notice_free(&r->notice);
	if (r->reading) {
		(void)pthread_join(r->thread, NULL);
		arena_free(&r->prices_arena);
	}
	deferred_drop(&r->swap);
	if (r->made != NULL)
		bundle_free(&r->made);
	while (!link_empty(&r->waiting))
		link_drop(r->waiting.next);
	while (!link_empty(&r->next))
		link_drop(r->next.next);
	watch_free(&r->watch);
	(void)close(r->event_fd);
	free(r);
}
