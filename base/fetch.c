/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch - a call of the HTTP client with an origin of its own, and the body collected.
 *
 *   fetch_start() --> http_start() --on_head, on_data--> on_done() --> done(status, body)
 *                          \--deadline, too large--> done(…, e)
 */
#include "base/fetch.h"

#include <stdlib.h>

#include "base/crypto.h"
#include "base/url.h"

struct fetch {
	struct job job;
	struct origin *origin;
	struct http_call *call;
	struct timer deadline;
	struct buf body, in;
	int status;
	fetch_f *done;
	void *ctx;
};

static void
fetch_stop(struct job *j)
{
	timer_stop(&CONTAINER(j, struct fetch, job)->deadline);
}

static void
fetch_reap(struct job *j)
{
	struct fetch *f = CONTAINER(j, struct fetch, job);

	origin_free(&f->origin);
	buf_fini(&f->body);
	crypto_wipe(f->in.p, f->in.n);
	buf_fini(&f->in);
	free(f);
}

static const struct job_type fetch_type = { "fetch", fetch_stop, fetch_reap };

static void
fetch_done(struct job *j, const struct err *e, void *ctx)
{
	struct fetch *f = CONTAINER(j, struct fetch, job);

	(void)ctx;
	f->done(f->ctx, e == NULL ? f->status : 0, e == NULL ? buf_str(&f->in) : STR(""), e);
}

static void
on_head(void *ctx, const struct http1_head *h)
{
	((struct fetch *)ctx)->status = h->status;
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct fetch *f = ctx;
	struct err e;

	buf_put(&f->in, bytes);
	if (!buf_ok(&f->in) && job_running(&f->job)) {
		(void)err_set(
		    &e, ERR_UPSTREAM, "the answer is larger than %zu KiB", FETCH_BYTES_MAX >> 10);
		job_finish(&f->job, &e);
	}
	return true;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct fetch *f = ctx;

	if (job_running(&f->job))
		job_finish(&f->job, e);
}

static void
too_late(void *ctx)
{
	struct fetch *f = ctx;
	struct err e;

	(void)err_set(&e, ERR_TIMEOUT, "no whole answer in time");
	job_finish(&f->job, &e);
}

static bool
url_may(const struct fetch_ask *a, struct url *u, struct err *e)
{
	if (!url_parse(a->url, u))
		return err_set(e, ERR_INVALID, "\"%.*s\" is no URL",
		    (int)(a->url.n < 200 ? a->url.n : 200), a->url.p);
	if (!u->https && !(a->trusted && url_is_loopback(u)))
		return err_set(e, ERR_INVALID, "\"%.*s\" is not https",
		    (int)(a->url.n < 200 ? a->url.n : 200), a->url.p);
	return true;
}

static bool
origin_make(struct fetch *f, struct http_pool *p, const struct fetch_ask *a, const struct url *u,
    struct err *e)
{
	char *base = str_dup(u->origin);
	struct origin_settings s = { .url = base,
		.ca_file = a->ca_file,
		.proxy = a->proxy,
		.connect_ms = a->deadline_ms,
		.idle_max = 1,
		.public_only = !a->trusted };

	f->origin = origin_new(p, &s, e);
	free(base);
	return f->origin != NULL;
}

static bool
ask(struct fetch *f, const struct fetch_ask *a, const struct url *u, struct err *e)
{
	static const struct http_events events = { on_head, on_data, on_done };
	struct http_request r = { .origin = f->origin,
		.method = a->body.p != NULL ? STR("POST") : STR("GET"),
		.target = u->target,
		.h = a->h,
		.n = a->n,
		.body = { buf_str(&f->body) },
		.first_byte_ms = a->deadline_ms,
		.idle_ms = a->deadline_ms };

	f->call = http_start(&f->job, &r, &events, f, e);
	return f->call != NULL;
}

struct fetch *
fetch_start(const struct fetch_from *from, struct job *parent, const struct fetch_ask *a,
    fetch_f *done, void *ctx, struct err *e)
{
	struct fetch *f;
	struct url u;

	if (!url_may(a, &u, e))
		return NULL;
	f = mem_zalloc(sizeof(*f));
	f->done = done;
	f->ctx = ctx;
	buf_init(&f->in, a->bytes_max > 0 ? a->bytes_max : FETCH_BYTES_MAX);
	buf_init(&f->body, FETCH_BYTES_MAX);
	buf_put(&f->body, a->body);
	if (!buf_ok(&f->body) || !origin_make(f, from->pool, a, &u, e)) {
		buf_fini(&f->body);
		free(f);
		return NULL;
	}
	job_init(&f->job, &fetch_type, parent, fetch_done, NULL);
	if (!ask(f, a, &u, e)) {
		job_cancel(&f->job);
		return NULL;
	}
	timer_set(from->loop, &f->deadline, a->deadline_ms, too_late, f);
	return f;
}
