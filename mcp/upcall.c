/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upcall - one request towards a server, whatever its wire.
 *
 *   upcall_start() --after the journal--> upcall_send() --> wire
 *   wire --upcall_answer()--> reply_f        deadline --upcall_timeout()--> reply_f with an error
 *
 * Invariants: an upcall is answered exactly once or cancelled by its parent; ids are ours and never
 * a client's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mcp/hub.h"
#include "mcp/param.h"
#include "mcp/peer.h"

#define UPCALLS_MAX    1000
#define OUT_BYTES_MAX  ((size_t)48 << 20)
#define TELL_MS        10000
#define ENVELOPE_BYTES 65536
#define LIST_BYTES_MAX ((size_t)16 << 20)

static void
upcall_stop(struct job *j)
{
	struct upcall *u = CONTAINER(j, struct upcall, job);

	u->type->forget(u);
	timer_stop(&u->deadline);
	deferred_drop(&u->send);
	if (u->id[0] != '\0' && map_get(&u->sv->pending, str_of(u->id)) == u)
		(void)map_del(&u->sv->pending, str_of(u->id));
	link_drop(&u->of_server);
	link_drop(&u->waiting);
	u->sv->upcalls_n--;
}

static void
upcall_reap(struct job *j)
{
	struct upcall *u = CONTAINER(j, struct upcall, job);

	u->type->reap(u);
	buf_fini(&u->out);
	buf_fini(&u->name);
	buf_fini(&u->params);
	free(u);
}

static const struct job_type upcall_type = { "upstream", upcall_stop, upcall_reap };

static void
upcall_done(struct job *j, const struct err *e, void *ctx)
{
	struct upcall *u = CONTAINER(j, struct upcall, job);

	(void)ctx;
	if (u->fn != NULL)
		u->fn(u->ctx, u->reply, e);
}

void
upcall_answer(struct upcall *u, const struct reply *r, const struct err *e)
{
	static const struct reply none = { .status = 0 };
	struct err why;

	IS(u, UPCALL_MAGIC);
	if (!job_running(&u->job))
		return;
	if (e != NULL) {
		why = *e;
		why.unmade = !u->sent || (u->type->left != NULL && !u->type->left(u));
		e = &why;
	}
	u->reply = r == NULL ? &none : r;
	if (u->sent && r != NULL && e == NULL)
		server_main(u->sv)->latency_ms = loop_mono_ms(u->sv->loop) - u->sent_ms;
	job_finish(&u->job, e);
}

void
upcall_send(void *ctx)
{
	struct upcall *u = ctx;
	struct err e;

	u->sent_ms = loop_mono_ms(u->sv->loop);
	/* A call waits for the session, or for the child, that is to carry it. */
	if (u->notice != NULL &&
	    (u->sv->again || (u->sv->of != NULL && u->sv->state == SERVER_PROBING))) {
		link_push(&u->sv->waiting, &u->waiting);
		return;
	}
	if (!u->type->send(u, &e)) {
		upcall_answer(u, NULL, &e);
		return;
	}
	u->sent = true;
}

static void
upcall_timeout(void *ctx)
{
	struct upcall *u = ctx;
	struct server *sv = u->sv;
	bool is_call = u->notice != NULL;
	struct err e;

	server_main(sv)->timeouts++;
	(void)err_set(&e, ERR_TIMEOUT, "server %s did not answer %s in time", sv->s->name,
	    is_call ? "the call" : u->method);
	upcall_answer(u, NULL, &e);
	if (is_call)
		server_doubt(sv);
}

static void
part(struct buf *b, const char **comma, const char *head)
{
	buf_puts(b, *comma);
	buf_puts(b, head);
	*comma = ",";
}

/* _meta: what the modern era demands, the token of progress, and what the client sent along. */
static void
meta_put(struct server *sv, struct upcall *u, const struct server_ask *a, bool modern, bool behind)
{
	struct buf *b = &u->out;
	const char *comma = "";

	if (!modern && a->meta.n == 0 && !a->progress)
		return;
	buf_puts(b, behind ? ",\"_meta\":{" : "\"_meta\":{");
	if (modern) {
		part(b, &comma,
		    "\"" META_VERSION "\":\"" ERA_MODERN_VERSION "\",\"" META_CLIENT
		    "\":{\"name\":\"tollgate\",\"version\":\"");
		buf_puts(b, sv->hub->version);
		buf_puts(b, "\"},\"" META_CAPABILITIES "\":");
		peer_put_caps(b, a->caps);
		if (a->log_level >= 0 && a->log_level < PEER_LOG_NONE && a->notice != NULL) {
			part(b, &comma, "\"" META_LOG_LEVEL "\":\"");
			buf_puts(b, peer_log_word(a->log_level));
			buf_putc(b, '"');
		}
	}
	if (a->progress) {
		part(b, &comma, "\"progressToken\":");
		buf_puts(b, u->id);
	}
	if (a->meta.n > 0) {
		part(b, &comma, "");
		buf_put(b, a->meta);
	}
	buf_putc(b, '}');
}

/* {"jsonrpc":"2.0","id":N,"method":"…","params":{…,"_meta":{…}}} */
static void
message_put(struct server *sv, struct upcall *u, const struct server_ask *a)
{
	struct buf *b = &u->out;
	bool modern = sv->era == ERA_MODERN || strcmp(a->method, "server/discover") == 0;
	bool comma = a->params.n > 0;

	if (a->raw.n > 0 || a->get) {
		buf_put(b, a->raw);
		return;
	}
	(void)buf_room(b, a->params.n + a->meta.n + 512); /* grows once */
	buf_puts(b, "{\"jsonrpc\":\"2.0\",");
	if (!a->notification) {
		buf_puts(b, "\"id\":");
		buf_puts(b, u->id);
		buf_putc(b, ',');
	}
	buf_puts(b, "\"method\":\"");
	buf_puts(b, a->method);
	buf_puts(b, "\",\"params\":{");
	buf_put(b, a->params);
	meta_put(sv, u, a, modern, comma);
	buf_puts(b, "}}");
}

struct upcall *
upcall_start(struct server *sv, struct job *parent, const struct server_ask *a, reply_f *fn,
    void *ctx, struct err *e)
{
	struct upcall *u;

	IS(sv, SERVER_MAGIC);
	if (sv->upcalls_n >= UPCALLS_MAX && a->notice != NULL) {
		(void)err_set(e, ERR_OVERLOAD, "server %s has %d requests in flight", sv->s->name,
		    UPCALLS_MAX);
		return NULL;
	}
	u = mem_zalloc(sizeof(*u));
	u->magic = UPCALL_MAGIC;
	u->sv = sv;
	u->type = sv->type;
	u->fn = fn;
	u->notice = a->notice;
	u->ctx = ctx;
	u->method = a->method;
	u->notification = a->notification;
	u->get = a->get;
	u->deadline_ms = a->deadline_ms;
	u->reply_bytes_max = a->reply_bytes_max;
	buf_init(&u->name, 65536);
	buf_init(&u->out, OUT_BYTES_MAX);
	buf_init(&u->params, 65536);
	buf_put(&u->name, a->name);
	if (a->schema.n > 0 && sv->era == ERA_MODERN && sv->type == &server_http)
		param_lines(&u->params, a->schema, a->args);
	if (!a->notification)
		(void)snprintf(u->id, sizeof(u->id), "%llu", (unsigned long long)++sv->last_id);
	message_put(sv, u, a);
	if (!buf_ok(&u->out) || !buf_ok(&u->name) || !buf_ok(&u->params)) {
		(void)err_set(e, ERR_TOO_LARGE, "the request is larger than 48 MiB");
		buf_fini(&u->out);
		buf_fini(&u->name);
		buf_fini(&u->params);
		free(u);
		return NULL;
	}
	job_init(&u->job, &upcall_type, parent, upcall_done, NULL);
	link_push(&sv->upcalls, &u->of_server);
	link_init(&u->waiting);
	sv->upcalls_n++;
	if (!a->notification)
		map_set(&sv->pending, str_of(u->id), u);
	if (a->deadline_ms > 0)
		timer_set(sv->loop, &u->deadline, a->deadline_ms, upcall_timeout, u);
	loop_after_journal(sv->loop, &u->send, upcall_send, u);
	return u;
}

void
upcall_told(void *ctx)
{
	upcall_answer(ctx, NULL, NULL);
}

bool
upcall_hears(const struct rpc *m)
{
	return rpc_is(m, "notifications/progress") || rpc_is(m, "notifications/message");
}

struct upcall *
upcall_meant(struct server *sv, const struct rpc *m)
{
	struct upcall *found = NULL;
	struct str token;

	if (rpc_is(m, "notifications/progress"))
		return json_get(m->params, STR("progressToken"), &token)
			   ? map_get(&sv->pending, token)
			   : NULL;
	if (sv->of == NULL)
		return NULL; /* another key's might be in flight, or have been */
	LIST_EACH(it, &sv->upcalls) {
		struct upcall *u = CONTAINER(it, struct upcall, of_server);

		if (u->notice == NULL || !u->sent)
			continue;
		if (found != NULL)
			return NULL;
		found = u;
	}
	return found;
}

void
upcall_rest(struct upcall *u, bool rest)
{
	int64_t ms = rest ? PEER_ANSWER_MS : u->deadline_ms;

	if (u->deadline_ms > 0 && job_running(&u->job))
		timer_set(u->sv->loop, &u->deadline, ms, upcall_timeout, u);
}

void
upcall_header(struct header *h, size_t *n, struct str name, struct str value)
{
	if (*n < UPCALL_HEADERS_MAX && value.n > 0)
		h[(*n)++] = (struct header){ name, value };
}

/* ---- for wires that many requests share ---- */

/* A message past every cap: only its id is looked for, so that it costs the others no time. */
static void
message_refuse(struct server *sv, struct str text)
{
	struct json_field f = { .name = STR("id") };
	struct upcall *u;
	struct err e;

	if (!json_fields(text, &f, 1, &e) || f.raw.p == NULL)
		return;
	u = map_get(&sv->pending, f.raw);
	(void)err_set(&e, ERR_UPSTREAM, "server %s: its reply is too large", sv->s->name);
	if (u != NULL)
		upcall_answer(u, NULL, &e);
}

static void
notice_take(struct server *sv, const struct rpc *m)
{
	struct upcall *u = upcall_meant(sv, m);

	if (u != NULL && u->notice != NULL)
		u->notice(u->ctx, m);
}

/* Who asks on a connection of one key may ask its client, when it is clear for which call. */
static void
request_take(struct server *sv, const struct rpc *m)
{
	struct upcall *u = rpc_is(m, "ping") ? NULL : upcall_meant(sv, m);

	if (u != NULL)
		u->notice(u->ctx, m);
	else
		server_refuse(sv, m);
}

void
upcall_message(struct server *sv, struct str text)
{
	struct rpc m;
	struct err e;

	if (text.n > sv->hub->result_bytes_max + ENVELOPE_BYTES && text.n > LIST_BYTES_MAX)
		message_refuse(sv, text);
	else if (!rpc_parse(text, false, &m, &e))
		log_debug(
		    NULL, "message skipped", F_STR("server", sv->name), F_TEXT("why", e.text));
	else if (m.kind == RPC_IS_REQUEST)
		request_take(sv, &m);
	else if (m.kind == RPC_IS_NOTIFICATION && upcall_hears(&m))
		notice_take(sv, &m);
	else
		server_message(sv, &m, 0);
}

/* ---- for wires where everything is a request of its own ---- */

void
upcall_tell(struct server *sv, struct str message)
{
	struct server_ask a = {
		.method = "response", .notification = true, .deadline_ms = TELL_MS, .raw = message
	};
	struct err e;

	if (upcall_start(sv, sv->root, &a, NULL, NULL, &e) == NULL)
		log_debug(NULL, "request not answered", F_STR("server", sv->name));
}

void
upcall_cancel_tell(struct upcall *u)
{
	struct server *sv = u->sv;
	struct server_ask a = {
		.method = "notifications/cancelled", .notification = true, .deadline_ms = TELL_MS
	};
	struct buf b;
	struct err e;

	if (!u->sent || u->reply != NULL || u->notification || u->get || sv->era != ERA_LEGACY ||
	    sv->state != SERVER_READY || u->notice == NULL)
		return;
	buf_init(&b, 64);
	buf_printf(&b, "\"requestId\":%s", u->id);
	a.params = buf_str(&b);
	if (buf_ok(&b) && upcall_start(sv, sv->root, &a, NULL, NULL, &e) == NULL)
		log_debug(NULL, "cancellation not sent", F_STR("server", sv->name));
	buf_fini(&b);
}
