/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_client - how a command reaches the gateway of its config.
 *
 * With DATA/control.sock answering: one HTTP/1.1 request, blocking, with a time limit.  Without:
 * DATA/lock is taken and the same operation runs on a core opened here, through the same store and
 * the same chain.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "gateway/admin.h"
#include "gateway/cli.h"

#define LIMIT_S   120
#define PATIENT_S 2 /* then somebody who waits is told why */
#define SYNC_S    3
#define REPLY_MAX ((size_t)64 << 20)

static int
control_connect(const char *data, int limit_s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = limit_s };
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/control.sock", data);
	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path)))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		return fd;
	}
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

struct question {
	const char *method;
	struct str target, body;
	const struct settings *s; /* whom it is asked of; NULL: nobody is told that it takes long */
	int waited_s;
};

/* Is there something to read, before LIMIT_S is over? */
static bool
readable(int fd, struct question *q)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct str why;
	struct buf ready;
	struct arena a;

	while (q->s != NULL && q->waited_s < LIMIT_S && poll(&p, 1, PATIENT_S * 1000) == 0) {
		q->waited_s += PATIENT_S;
		buf_init(&ready, 0);
		arena_init(&a, REPLY_MAX);
		if (q->waited_s == PATIENT_S && cli_ready(q->s, &ready) &&
		    (why = cli_text(buf_str(&ready), "why", &a)).n > 0)
			(void)fprintf(stderr,
			    "tollgate: no answer yet, the gateway says: " STR_FMT
			    " (a key that was to end has ended all the same)\n",
			    STR_ARG(why));
		arena_free(&a);
		buf_fini(&ready);
	}
	return q->waited_s < LIMIT_S;
}

/* Reads until the reply is whole. */
static bool
reply_read(int fd, struct question *q, struct buf *out, int *status, struct err *e)
{
	struct http1_head *h = mem_alloc(sizeof(*h));
	enum http1_result r = HTTP1_MORE;
	size_t scanned = 0, used = 0;
	struct http1_body body;
	struct str in, piece;
	struct buf raw;
	char bytes[65536];
	ssize_t n;

	buf_init(&raw, REPLY_MAX);
	while (r == HTTP1_MORE && readable(fd, q) && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		buf_put(&raw, (struct str){ bytes, (size_t)n });
		r = http1_response(buf_str(&raw), &scanned, false, h, &used, e);
	}
	if (r == HTTP1_DONE) {
		*status = h->status;
		http1_body_init(&body, h);
		in = (struct str){ raw.p + used, raw.n - used };
		do {
			while ((r = http1_body_next(&body, &in, &piece, e)) == HTTP1_MORE &&
			       (piece.n > 0 || in.n > 0))
				buf_put(out, piece);
			buf_put(out, piece);
			if (r != HTTP1_MORE || (n = read(fd, bytes, sizeof(bytes))) <= 0)
				break;
			in = (struct str){ bytes, (size_t)n };
		} while (true);
	}
	buf_fini(&raw);
	free(h);
	return (r == HTTP1_DONE && buf_ok(out)) ||
	       err_set(e, ERR_UPSTREAM, "the gateway did not answer");
}

/* A refusal's own words. */
static bool
refusal(struct str body, int status, struct err *e)
{
	struct str error, message, text;
	struct arena a;
	struct err bad;

	(void)err_set(e, ERR_INVALID, "the gateway answered %d", status);
	arena_init(&a, body.n + 4096);
	if (json_check(body, false, &bad) && json_get(body, STR("error"), &error) &&
	    json_get(error, STR("message"), &message) && json_string(message, &a, &text))
		(void)err_set(e, ERR_INVALID, STR_FMT, STR_ARG(text));
	arena_free(&a);
	return false;
}

/* Whatever its status: *status and the body. */
static bool
ask(int fd, struct question *q, struct buf *out, int *status, struct err *e)
{
	struct buf head;
	bool ok;

	buf_init(&head, 0);
	http1_put_request(&head, str_of(q->method), q->target);
	buf_printf(
	    &head, "host: local\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n", q->body.n);
	buf_put(&head, q->body);
	ok = buf_ok(&head) && send(fd, head.p, head.n, MSG_NOSIGNAL) == (ssize_t)head.n;
	buf_fini(&head);
	if (!ok)
		return err_set(e, ERR_INVALID, "the request could not be sent");
	return reply_read(fd, q, out, status, e);
}

static bool
ask_gateway(int fd, struct question q, struct buf *out, struct err *e)
{
	int status = 0;

	if (!ask(fd, &q, out, &status, e))
		return false;
	return status == 200 || refusal(buf_str(out), status, e);
}

bool
cli_ready(const struct settings *s, struct buf *out)
{
	int fd = control_connect(s->data, SYNC_S), status = 0;
	struct err e;
	bool ok;

	if (fd < 0)
		return false;
	ok = ask(
	    fd, &(struct question){ .method = "GET", .target = STR("/readyz") }, out, &status, &e);
	(void)close(fd);
	return ok;
}

static bool
ask_core(struct settings *s, const char *method, struct str target, struct str body,
    struct buf *out, struct err *e)
{
	struct core_settings cs;
	struct admin_request r = { .method = str_of(method), .body = body };
	struct loop *l = loop_new(e);
	char actor[32];
	bool ok;

	if (l == NULL)
		return false;
	settings_core(s, &cs);
	if (str_starts(target, STR("/admin/api/lock")))
		cs.facts = NULL; /* who changes the lock must not be kept from it by the lock */
	(void)snprintf(actor, sizeof(actor), "local:%d", (int)getuid());
	r.actor = str_of(actor);
	r.query = target;
	r.path = str_cut(&r.query, '?');
	r.core = core_open(l, &cs, e);
	ok = r.core != NULL;
	if (ok && str_eq(str_of(method), STR("GET")) && str_eq(r.path, STR("/admin/api/lock")))
		ok = alone_seen(s, l, r.core, out, e);
	else
		ok = ok && admin_answer(&r, out, e);
	core_close(&r.core);
	loop_free(&l);
	return ok;
}

void
cli_sync(const struct settings *s)
{
	int fd = control_connect(s->data, SYNC_S);
	struct buf out;
	struct err e;

	if (fd < 0)
		return;
	buf_init(&out, 0);
	/* A database that cannot be written now is read as it is. */
	(void)ask_gateway(
	    fd, (struct question){ .method = "POST", .target = STR("/admin/api/sync") }, &out, &e);
	buf_fini(&out);
	(void)close(fd);
}

bool
cli_admin(const struct cli *cli, const char *method, struct str target, struct str body,
    struct buf *out, struct err *e)
{
	struct buf warnings;
	struct settings *s;
	int fd;
	bool ok;

	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, e);
	buf_fini(&warnings);
	if (s == NULL)
		return false;
	fd = control_connect(s->data, LIMIT_S);
	if (fd >= 0) {
		ok = ask_gateway(fd,
		    (struct question){ .method = method, .target = target, .body = body, .s = s },
		    out, e);
		(void)close(fd);
	} else {
		ok = ask_core(s, method, target, body, out, e);
	}
	settings_free(&s);
	return ok;
}
