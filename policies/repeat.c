/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repeat - one call, many times: what limits and budgets say of the last one.
 *
 * Not a model of them but the gate itself: a core on a data folder of its own that is thrown away,
 * a key of its own, and a clock that is moved by hand.  Nothing of it is seen outside, and what one
 * case has used another does not find used.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policies/core.h"
#include "policies/tools.h"

#define TURN_EACH 200 /* calls whose records are in memory before the journal writes them */
#define DIR_BYTES 128

struct stage { /* a gate and its clock */
	char dir[DIR_BYTES];
	int page_fd;
	struct clock_page *page;
	struct loop *loop;
	struct core *core;
	struct key *key;
};

/* ---- the clock ---- */

static bool
clock_make(struct stage *st, int64_t wall_ns, struct err *e)
{
	void *p = MAP_FAILED;

	st->page_fd = memfd_create("tollgate-clock", MFD_CLOEXEC);
	if (st->page_fd >= 0 && ftruncate(st->page_fd, sizeof(*st->page)) == 0)
		p = mmap(
		    NULL, sizeof(*st->page), PROT_READ | PROT_WRITE, MAP_SHARED, st->page_fd, 0);
	if (p == MAP_FAILED)
		return err_set(
		    e, ERR_INTERNAL, "no memory for a clock (%s)", strerrorname_np(errno));
	st->page = p;
	st->page->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	st->page->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	st->page->wall_ns = wall_ns;
	st->page->mono_ms = 1;
	st->page->magic = CLOCK_PAGE_MAGIC;
	return (st->page->wake_fd >= 0 && st->page->done_fd >= 0) ||
	       err_set(e, ERR_INTERNAL, "no eventfd (%s)", strerrorname_np(errno));
}

static void
clock_move(struct stage *st, int64_t ms)
{
	uint64_t one = 1;

	st->page->wall_ns += ms * 1000000;
	st->page->mono_ms += ms;
	/* A turn waits for something to happen: this is it. */
	if (write(st->page->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		UNREACHABLE(); /* the counter is never near its end */
	loop_turn(st->loop);
}

static void
clock_free(struct stage *st)
{
	if (st->page != NULL) {
		(void)close(st->page->wake_fd);
		(void)close(st->page->done_fd);
		(void)munmap(st->page, sizeof(*st->page));
	}
	if (st->page_fd >= 0)
		(void)close(st->page_fd);
}

/* ---- the stage ---- */

/* The data folder is flat. */
static void
dir_drop(const char *dir)
{
	DIR *d = dir[0] == '\0' ? NULL : opendir(dir);
	struct dirent *f;

	if (d == NULL)
		return;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's readdir is safe on its own handle */
	while ((f = readdir(d)) != NULL)
		if (f->d_name[0] != '.')
			(void)unlinkat(dirfd(d), f->d_name, 0);
	(void)closedir(d);
	(void)rmdir(dir);
}

static bool
stage_open(struct stage *st, const struct repeat *r, struct err *e)
{
	const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread yet */
	struct core_settings s = *r->settings;
	char secret[KEY_SECRET_BYTES + 1];

	st->page_fd = -1;
	if (snprintf(st->dir, sizeof(st->dir), "%s/tollgate-test-XXXXXX",
		tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp) >= (int)sizeof(st->dir) ||
	    mkdtemp(st->dir) == NULL) {
		(void)err_set(e, ERR_INVALID, "no folder can be made below %.80s (TMPDIR)",
		    tmp == NULL ? "/tmp" : tmp);
		st->dir[0] = '\0';
		return false;
	}
	s.data_dir = st->dir;
	s.strict = false;
	if (!clock_make(st, r->now_ns, e) || (st->loop = loop_new(e)) == NULL ||
	    !loop_use_clock(st->loop, st->page_fd, e))
		return false;
	st->core = core_open(st->loop, &s, e);
	if (st->core == NULL)
		return false;
	st->key = key_create(st->core, r->who, STR("test"), secret, e);
	explicit_bzero(secret, sizeof(secret));
	return st->key != NULL;
}

static void
stage_close(struct stage *st)
{
	core_close(&st->core);
	loop_free(&st->loop);
	clock_free(st);
	dir_drop(st->dir);
}

/* ---- the calls ---- */

static void
never_cut(struct pass *p, const struct err *why)
{
	(void)why;
	gate_leave(p, &(struct outcome){ .end = END_CUT });
}

/* One call: it enters, costs what it costs, and leaves. */
static bool
call(struct stage *st, const struct repeat *r, struct err *e)
{
	struct pass p = { .cut = never_cut };
	const struct ask ask = { .kind = r->kind,
		.name = r->name,
		.requested = r->requested,
		.args = r->args,
		.hold_nusd = r->cost_nusd,
		.hold_tokens = r->tokens,
		.client = r->via.client,
		.session = STR(""),
		.tool_use = STR(""),
		.address = STR(""),
		.view = r->via.view };
	const struct outcome o = { .end = END_OK,
		.cost_nusd = r->cost_nusd,
		.usage = { .input = r->tokens, .seen = true } };

	err_clear(e);
	if (!gate_enter(st->core, &p, st->key, &ask, e))
		return false;
	gate_leave(&p, &o);
	return true;
}

bool
repeat_run(const struct repeat *r, struct repeated *out, struct err *e)
{
	struct stage st = { .page_fd = -1 };
	bool ok = stage_open(&st, r, e);

	*out = (struct repeated){ 0 };
	for (int64_t i = 1; ok && i <= r->times; i++) {
		out->allowed = call(&st, r, &out->why);
		if (!out->allowed) {
			out->refused++;
			out->first = out->first == 0 ? i : out->first;
		}
		if (i < r->times && (r->every_ms > 0 || i % TURN_EACH == 0))
			clock_move(&st, r->every_ms);
	}
	stage_close(&st);
	return ok;
}
