/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_url - what an engineer asks a gateway that runs elsewhere, with a virtual key.
 *
 * One request with the key of an environment variable; the key is never an argument, where other
 * users of the host would see it.  Towards another host it travels in TLS only.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http.h"
#include "base/json.h"
#include "gateway/cli.h"

#define REPLY_MAX     ((size_t)16 << 20)
#define FIRST_BYTE_MS 30000
#define CONNECT_MS    10000

struct fetch {
	struct job job;
	struct loop *loop;
	struct buf *out;
	struct str path, body; /* body.p == NULL: GET */
	int status;
	bool failed;
	struct err err;
};
static const struct job_type fetch_type = { "fetch", NULL, NULL };

static void
on_head(void *ctx, const struct http1_head *h)
{
	((struct fetch *)ctx)->status = h->status;
}

static bool
on_data(void *ctx, struct str bytes)
{
	buf_put(((struct fetch *)ctx)->out, bytes);
	return true;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct fetch *f = ctx;

	f->failed = e != NULL;
	if (e != NULL)
		f->err = *e;
	loop_stop(f->loop);
}

/* ---- the address and the key ---- */

static bool
url_safe(struct str url)
{
	struct str host;

	if (str_starts(url, STR("https://")))
		return true;
	if (!str_starts(url, STR("http://")))
		return false;
	host = (struct str){ url.p + 7, url.n - 7 };
	host = str_cut(&host, '/');
	if (str_starts(host, STR("[::1]")))
		return true;
	host = str_cut(&host, ':');
	return str_eq(host, STR("127.0.0.1")) || str_eq(host, STR("localhost"));
}

static const char *
key_get(const struct cli *cli, struct err *e)
{
	const char *name = cli->key_env != NULL ? cli->key_env : "TOLLGATE_KEY";
	const char *key = getenv(name); // NOLINT(concurrency-mt-unsafe)

	if (str_starts(str_of(name), STR("tg-"))) /* a secret: not repeated */
		(void)err_set(e, ERR_INVALID,
		    "--key-env takes the name of a variable, never a secret (--key-env "
		    "TOLLGATE_KEY)");
	else if (key == NULL || key[0] == '\0')
		(void)err_set(e, ERR_INVALID, "%s is not set (export %s=tg-...)", name, name);
	else if (!key_looks_like(str_of(key)))
		(void)err_set(
		    e, ERR_INVALID, "what %s holds is no virtual key, or is mistyped", name);
	else
		return key;
	return NULL;
}

static bool
refusal(const struct cli *cli, const struct fetch *f, struct err *e)
{
	struct str body = buf_str(f->out), error, message, text;
	struct arena a;
	struct err bad;

	(void)err_set(e, ERR_INVALID, "%s answered %d (is it a Tollgate?)", cli->url, f->status);
	arena_init(&a, REPLY_MAX + 4096);
	if (json_check(body, false, &bad) && json_get(body, STR("error"), &error) &&
	    json_get(error, STR("message"), &message) && json_string(message, &a, &text))
		(void)err_set(e, ERR_INVALID, "%s: " STR_FMT, cli->url, STR_ARG(text));
	arena_free(&a);
	return false;
}

/* ---- one request ---- */

static bool
ask(struct fetch *f, struct http_pool *pool, const struct cli *cli, const char *key, struct err *e)
{
	static const struct http_events events = { on_head, on_data, on_done };
	struct header h[] = { { STR("x-tollgate-key"), str_of(key) },
		{ STR("content-type"), STR("application/json") } };
	const bool post = f->body.p != NULL;
	struct buf target;
	struct origin *o = origin_new(
	    pool, &(struct origin_settings){ .url = cli->url, .connect_ms = CONNECT_MS }, e);
	bool ok = o != NULL;

	if (!ok)
		return false;
	buf_init(&target, 0);
	buf_put(&target, origin_path(o));
	buf_put(&target, f->path);
	job_init(&f->job, &fetch_type, NULL, NULL, NULL);
	ok = http_start(&f->job,
		 &(struct http_request){ .origin = o,
		     .method = post ? STR("POST") : STR("GET"),
		     .target = buf_str(&target),
		     .h = h,
		     .n = post ? 2 : 1,
		     .body = { post ? f->body : STR("") },
		     .first_byte_ms = FIRST_BYTE_MS,
		     .idle_ms = FIRST_BYTE_MS },
		 &events, f, e) != NULL;
	if (ok)
		loop_run(f->loop);
	job_cancel(&f->job);
	jobs_reap();
	buf_fini(&target);
	origin_free(&o);
	if (ok && f->failed)
		*e = f->err;
	return ok && !f->failed;
}

bool
cli_send(const struct cli *cli, struct str path, struct str body, struct buf *out, struct err *e)
{
	const char *key = key_get(cli, e);
	struct fetch f = { .out = out, .path = path, .body = body };
	struct http_pool *pool;
	bool ok = false;

	if (key == NULL)
		return false;
	if (!url_safe(str_of(cli->url)))
		return err_set(e, ERR_INVALID,
		    "--url takes https://HOST (http:// only on this host: the key would travel in "
		    "clear text)");
	f.loop = loop_new(e);
	if (f.loop == NULL)
		return false;
	pool = http_pool_new(f.loop);
	ok = ask(&f, pool, cli, key, e);
	http_pool_free(&pool);
	loop_free(&f.loop);
	if (ok && !buf_ok(out))
		return err_set(e, ERR_TOO_LARGE, "%s answered too much", cli->url);
	return ok && (f.status == 200 || refusal(cli, &f, e));
}

bool
cli_fetch(const struct cli *cli, struct str path, struct buf *out, struct err *e)
{
	return cli_send(cli, path, STR_NONE, out, e);
}
