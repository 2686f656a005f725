/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_stdio - an upstream server as a child process: one JSON-RPC message per line.
 *
 * A child that all keys share cannot say on whose behalf it asks for something: its requests are
 * answered -32601 (ping is answered), its log messages are nobody's.  What is not JSON-RPC on its
 * stdout is skipped.  When a call ends before its answer - deadline, client gone - the child is
 * told by notifications/cancelled with our id, and a late answer finds nobody.
 *
 * close() lets go of the child, which gets time to end by itself (child.c); nothing outlives the
 * hub.
 */
#include <stdlib.h>

#include "base/log.h"
#include "mcp/child.h"
#include "mcp/updates.h"

/* Larger than any result we pass on: a result past the cap fails its call, not the child. */
#define LINE_BYTES_MAX  ((size_t)64 << 20)
#define WRITE_BYTES_MAX ((size_t)64 << 20)

static bool
line_write(struct server *sv, struct str message)
{
	struct buf b;
	bool ok;

	if (sv->wire == NULL)
		return false;
	/* Line breaks between tokens are legal JSON and illegal here; inside strings there are
	 * none, because the message was checked. */
	buf_init(&b, message.n + 64);
	buf_put(&b, message);
	for (size_t i = 0; buf_ok(&b) && i < b.n; i++)
		if (b.p[i] == '\n' || b.p[i] == '\r')
			b.p[i] = ' ';
	buf_putc(&b, '\n');
	ok = buf_ok(&b) && child_write(sv->wire, buf_str(&b));
	buf_fini(&b);
	return ok;
}

static void
stdio_tell(struct server *sv, struct str message)
{
	(void)line_write(sv, message);
}

static bool
stdio_open(struct server *sv, struct err *e)
{
	struct proc_settings s = { .name = sv->s->name,
		.argv = sv->s->argv,
		.env = sv->s->env,
		.cwd = sv->s->cwd,
		.jail = sv->s->jail,
		.line_bytes_max = LINE_BYTES_MAX,
		.write_bytes_max = WRITE_BYTES_MAX };

	sv->wire = child_start(sv, &s, e);
	return sv->wire != NULL;
}

static void
stdio_close(struct server *sv)
{
	struct child *c = sv->wire;

	sv->wire = NULL;
	if (c != NULL)
		child_leave(c);
}

static bool
stdio_send(struct upcall *u, struct err *e)
{
	struct server *sv = u->sv;

	if (sv->wire == NULL)
		return err_set(e, ERR_UPSTREAM, "server %s is down", sv->s->name);
	if (!line_write(sv, buf_str(&u->out)))
		return err_set(
		    e, ERR_OVERLOAD, "server %s does not read what it is sent", sv->s->name);
	buf_fini(&u->out);
	if (u->notification)
		loop_defer(sv->loop, &u->send, upcall_told, u);
	return true;
}

static void
stdio_forget(struct upcall *u)
{
	struct buf b;

	server_unlistens(u->sv, u);
	if (!u->sent || u->reply != NULL || u->notification || u->sv->wire == NULL)
		return;
	buf_init(&b, 512);
	buf_printf(&b,
	    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
	    "\"requestId\":%s}}",
	    u->id);
	(void)line_write(u->sv, buf_str(&b));
	buf_fini(&b);
}

static void
stdio_reap(struct upcall *u)
{
	(void)u; /* it has nothing of ours */
}

static void
stdio_free(struct server *sv)
{
	ASSERT(sv->wire == NULL);
}

static void
stdio_listen(struct server *sv)
{
	struct server_ask a = { .method = "subscriptions/listen", .reply_bytes_max = 1 << 20 };
	struct upcall *u;
	struct buf params;
	struct err e;

	if (sv->era != ERA_MODERN)
		return;
	buf_init(&params, 1 << 20);
	updates_put_listen(&params, sv);
	a.params = buf_ok(&params) ? buf_str(&params) : STR("");
	u = upcall_start(sv, sv->root, &a, NULL, NULL, &e);
	if (u != NULL)
		server_listens(sv, u);
	else
		log_debug(
		    NULL, "no subscription", F_STR("server", sv->name), F_TEXT("why", e.text));
	buf_fini(&params);
}

const struct server_type server_stdio = { .name = "stdio",
	.open = stdio_open,
	.close = stdio_close,
	.send = stdio_send,
	.forget = stdio_forget,
	.reap = stdio_reap,
	.free = stdio_free,
	.tell = stdio_tell,
	.listen = stdio_listen };
