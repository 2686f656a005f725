/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_http - an upstream server behind Streamable HTTP, in either era.
 *
 * Every request is its own POST; the reply is one JSON body or a stream of events of which one is
 * the answer.  Headers are built from scratch: nothing of the client's request is passed on but
 * what stands in the message.
 *
 * Legacy: the session id of initialize's reply goes on everything after it; a 404 means that the
 * session is gone, so the server is initialized again, once for all who wait, and what was refused
 * is sent once more (it was never started).  Modern: closing the stream is the cancellation.
 *
 * Changes of the list come on a stream of their own: subscriptions/listen, or a GET.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sse.h"
#include "mcp/hub.h"
#include "mcp/oauth.h"
#include "mcp/updates.h"

#define SESSION_BYTES_MAX 512
#define ENVELOPE_BYTES    65536
#define RELISTEN_MS       30000
#define STREAM_IDLE_MS    3600000
#define EVENT_ID_MAX      256
#define RESUMES_MAX       20
#define RESUME_MS         1000 /* when the server does not say */
#define RESUME_MIN_MS     100
#define RESUME_MAX_MS     30000
#define CHALLENGE_BYTES   4096
#define TOKENS_MAX        4 /* of one request: refused, renewed, more wanted */

struct wire {
	struct origin *origin;
	char session[SESSION_BYTES_MAX];
	struct timer relisten;
	bool shared;    /* the origin is the main server's */
	bool no_listen; /* it said that it has no such stream */
};

/* One attempt of an upcall. */
struct attempt {
	struct upcall *u;
	struct http_call *call;
	char session[SESSION_BYTES_MAX], version[16];
	struct buf name, in;
	struct sse sse;
	int status;
	bool open; /* the status leaves open whether it was done */
	bool left; /* a byte of it, towards the server; also by a call that has ended */
	bool events;
	/* A legacy stream that ends before the answer is taken up again by a GET. */
	char last_id[EVENT_ID_MAX];
	int64_t retry_ms;
	int resumes;
	struct timer resume;
	/* Where the server wants tokens. */
	struct oauth_wait token;
	struct buf bearer;
	char *challenge; /* of a reply that refused it */
	int tokens;
};

/* ---- what comes back ---- */

/* Whose is it?  On a call's own stream, that call's; on the stream of a session that is one key's
 * alone, the only call's that is under way. */
static struct upcall *
owner_of(struct upcall *u, const struct rpc *m)
{
	struct upcall *owner = u->notice != NULL ? u : u->get ? upcall_meant(u->sv, m) : NULL;

	return owner != NULL && owner->notice != NULL ? owner : NULL;
}

static void
request_take(struct upcall *u, const struct rpc *m)
{
	struct upcall *owner = rpc_is(m, "ping") ? NULL : owner_of(u, m);

	if (owner != NULL)
		owner->notice(owner->ctx, m);
	else
		server_refuse(u->sv, m);
}

/* One message of a reply; true when it was the answer. */
static bool
message_take(struct attempt *at, struct str text)
{
	struct upcall *u = at->u, *owner;
	struct reply r = { .status = at->status, .open = at->open };
	struct str code;
	struct rpc m;
	struct err e;
	int64_t v;

	if (!rpc_parse(text, false, &m, &e))
		return false;
	if (m.kind == RPC_IS_REQUEST) {
		request_take(u, &m);
		return false;
	}
	if (m.kind == RPC_IS_NOTIFICATION) {
		owner = upcall_hears(&m) ? owner_of(u, &m) : NULL;
		if (owner != NULL)
			owner->notice(owner->ctx, &m);
		else
			server_message(u->sv, &m, at->status);
		return false;
	}
	if (m.id.p != NULL ? !str_eq(m.id, str_of(u->id)) : m.kind != RPC_IS_ERROR)
		return false;
	r.result = m.result;
	r.error = m.error;
	if (m.error.p != NULL && json_get(m.error, STR("code"), &code) && json_i64(code, &v))
		r.code = v < -100000 || v > 100000 ? RPC_SERVER : (int)v;
	upcall_answer(u, &r, NULL);
	return true;
}

static bool
on_event(void *ctx, const struct sse_event *ev)
{
	struct attempt *at = ctx;

	if (!str_copy(at->last_id, sizeof(at->last_id), ev->id))
		at->last_id[0] = '\0'; /* not to be taken up by half an id */
	if (ev->retry_ms >= 0)
		at->retry_ms = ev->retry_ms;
	return ev->data.n == 0 || !message_take(at, ev->data);
}

static void
on_head(void *ctx, const struct http1_head *h)
{
	struct attempt *at = ctx;
	struct server *sv = at->u->sv;
	struct wire *w = sv->wire;
	const struct header *type = http1_find(h, STR("content-type"));
	const struct header *session = http1_find(h, STR("mcp-session-id"));
	const struct header *asks = http1_find(h, STR("www-authenticate"));

	at->status = h->status;
	at->open = http_leaves_open(h);
	MEM_FREE(&at->challenge);
	if (asks != NULL && asks->value.n <= CHALLENGE_BYTES)
		at->challenge = str_dup(asks->value);
	at->events = h->status == 200 && type != NULL && type->value.n >= 17 &&
		     str_ieq((struct str){ type->value.p, 17 }, STR("text/event-stream"));
	if (session != NULL && h->status < 300 && strcmp(at->u->method, "initialize") == 0 &&
	    !str_copy(w->session, sizeof(w->session), session->value))
		w->session[0] = '\0';
}

static void
too_large(struct attempt *at)
{
	struct err e;

	(void)err_set(&e, ERR_UPSTREAM, "server %s: its reply is too large", at->u->sv->s->name);
	upcall_answer(at->u, NULL, &e);
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct attempt *at = ctx;
	struct err e;

	if (!job_running(&at->u->job))
		return true;
	if (!at->events) {
		buf_put(&at->in, bytes);
		if (!buf_ok(&at->in))
			too_large(at);
	} else if (!sse_feed(&at->sse, bytes, on_event, at, &e) && job_running(&at->u->job)) {
		too_large(at);
	}
	return true;
}

static bool attempt_start(struct attempt *at, struct err *e);

static void
on_resume(void *ctx)
{
	struct attempt *at = ctx;
	struct err e;

	at->resumes++;
	at->status = 0;
	at->events = false;
	sse_fini(&at->sse);
	sse_init(&at->sse, at->u->reply_bytes_max + ENVELOPE_BYTES);
	if (!attempt_start(at, &e))
		upcall_answer(at->u, NULL, &e);
}

/* The server has closed the stream to spare a connection: the answer comes on the next one. */
static bool
resumable(struct attempt *at)
{
	int64_t ms = at->retry_ms;

	if (!at->events || at->last_id[0] == '\0' || at->u->notice == NULL ||
	    at->u->sv->era != ERA_LEGACY || at->resumes >= RESUMES_MAX)
		return false;
	if (ms < RESUME_MIN_MS)
		ms = RESUME_MIN_MS;
	if (ms > RESUME_MAX_MS)
		ms = RESUME_MAX_MS;
	timer_set(at->u->sv->loop, &at->resume, ms, on_resume, at);
	return true;
}

static struct oauth *
oauth_of(const struct attempt *at)
{
	return server_main(at->u->sv)->oauth;
}

static struct str
token_owner(const struct attempt *at)
{
	return at->u->sv->owner == NULL ? STR("") : str_of(at->u->sv->owner);
}

/* Goes with this token, or not at all. */
static bool
token_use(struct attempt *at, struct str token, struct err *e)
{
	buf_reset(&at->bearer);
	if (token.n > 0) {
		buf_puts(&at->bearer, "Bearer ");
		buf_put(&at->bearer, token);
	}
	if (!buf_ok(&at->bearer))
		return err_set(
		    e, ERR_UPSTREAM, "server %s: its token is too long", at->u->sv->s->name);
	return attempt_start(at, e);
}

static void
on_token(void *ctx, struct str token, const struct err *e)
{
	struct attempt *at = ctx;
	struct err why;

	if (e != NULL)
		why = *e;
	else if (token_use(at, token, &why))
		return;
	upcall_answer(at->u, NULL, &why);
}

/* The server wants another token: the same request once more, with one. */
static bool
token_renewed(struct attempt *at)
{
	struct oauth_refusal r = { .status = at->status, .challenge = str_of(at->challenge) };
	struct str token = buf_str(&at->bearer);
	struct err e;

	if (oauth_of(at) == NULL || (at->status != 401 && at->status != 403) ||
	    ++at->tokens >= TOKENS_MAX)
		return false;
	if (token.n > 7)
		r.token = (struct str){ token.p + 7, token.n - 7 };
	buf_reset(&at->in);
	switch (oauth_refused(oauth_of(at), token_owner(at), &r, &at->token, &token, &e)) {
	case OAUTH_NOW:
		if (token_use(at, token, &e))
			return true;
		break;
	case OAUTH_LATER:
		return true;
	case OAUTH_NEVER:
		break;
	}
	upcall_answer(at->u, NULL, &e);
	return true;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct attempt *at = ctx;
	struct upcall *u = at->u;
	struct reply r = { .status = at->status, .open = at->open };
	struct err why;

	at->left = at->left || http_was_sent(at->call);
	at->call = NULL;
	if (!job_running(&u->job))
		return;
	if (e != NULL) {
		why = *e;
		/* The peer's address is no affair of the agent's. */
		(void)err_set(&why, e->code, "server %s: %.300s", u->sv->s->name, e->text);
		upcall_answer(u, NULL, &why);
		return;
	}
	if (at->status == 404 && at->session[0] != '\0' && !u->notification && !u->get) {
		server_again(u->sv, u);
		return;
	}
	if (resumable(at) || token_renewed(at))
		return;
	if (!at->events && at->in.n > 0 && !u->notification && message_take(at, buf_str(&at->in)))
		return;
	if (job_running(&u->job))
		upcall_answer(u, &r, NULL);
}

/* ---- sending ---- */

static size_t
headers_put(struct attempt *at, struct header h[UPCALL_HEADERS_MAX])
{
	const struct server_settings *s = at->u->sv->s;
	bool modern = at->u->sv->era == ERA_MODERN || strcmp(at->u->method, "server/discover") == 0;
	bool get = at->u->get || at->resumes > 0;
	struct str params;
	size_t n = 0;

	upcall_header(h, &n, STR("accept"),
	    get ? STR("text/event-stream") : STR("application/json, text/event-stream"));
	if (!get)
		upcall_header(h, &n, STR("content-type"), STR("application/json"));
	if (at->resumes > 0)
		upcall_header(h, &n, STR("last-event-id"), str_of(at->last_id));
	upcall_header(h, &n, STR("accept-encoding"), STR("identity"));
	upcall_header(h, &n, STR("user-agent"), STR("tollgate"));
	upcall_header(h, &n, STR("mcp-protocol-version"),
	    modern ? STR(ERA_MODERN_VERSION) : str_of(at->version));
	if (modern) {
		upcall_header(h, &n, STR("mcp-method"), str_of(at->u->method));
		upcall_header(h, &n, STR("mcp-name"), buf_str(&at->name));
		params = buf_str(&at->u->params);
		while (params.n > 0) {
			struct str name = str_cut(&params, '\n');

			upcall_header(h, &n, name, str_cut(&params, '\n'));
		}
	} else if (strcmp(at->u->method, "initialize") != 0) {
		upcall_header(h, &n, STR("mcp-session-id"), str_of(at->session));
	}
	upcall_header(h, &n, STR("authorization"), buf_str(&at->bearer));
	for (size_t i = 0; i < s->headers_n; i++)
		upcall_header(h, &n, s->headers[i].name, s->headers[i].value);
	return n;
}

static void
http_reap(struct upcall *u)
{
	struct attempt *at = u->wire;

	if (at == NULL)
		return;
	timer_stop(&at->resume);
	oauth_wait_drop(&at->token);
	crypto_wipe(at->bearer.p, at->bearer.n);
	buf_fini(&at->bearer);
	free(at->challenge);
	buf_fini(&at->name);
	buf_fini(&at->in);
	sse_fini(&at->sse);
	free(at);
	u->wire = NULL;
}

static bool
attempt_start(struct attempt *at, struct err *e)
{
	static const struct http_events events = { on_head, on_data, on_done };
	struct upcall *u = at->u;
	struct wire *w = u->sv->wire;
	bool get = u->get || at->resumes > 0;
	struct header h[UPCALL_HEADERS_MAX];
	struct http_request r;
	struct str path;

	if (w == NULL)
		return err_set(e, ERR_UPSTREAM, "server %s is down", u->sv->s->name);
	path = origin_path(w->origin);
	r = (struct http_request){ .origin = w->origin,
		.method = get ? STR("GET") : STR("POST"),
		.target = path.n > 0 ? path : STR("/"),
		.h = h, /* copied by http_start() */
		.n = headers_put(at, h),
		.body = { get ? STR("") : buf_str(&u->out) },
		.first_byte_ms = u->notice != NULL ? STREAM_IDLE_MS : u->deadline_ms,
		/* a call's deadline is its upcall's: it rests while a person is asked */
		.idle_ms =
		    u->notice == NULL && u->deadline_ms > 0 ? u->deadline_ms : STREAM_IDLE_MS };
	at->call = http_start(&u->job, &r, &events, at, e);
	return at->call != NULL;
}

static bool
token_first(struct attempt *at, struct err *e)
{
	struct str token = STR("");

	switch (oauth_get(oauth_of(at), token_owner(at), &at->token, &token, e)) {
	case OAUTH_NOW:
		return token_use(at, token, e);
	case OAUTH_LATER:
		return true;
	case OAUTH_NEVER:
		return false;
	}
	UNREACHABLE();
}

static bool
http_send(struct upcall *u, struct err *e)
{
	struct server *sv = u->sv;
	struct wire *w = sv->wire;
	struct attempt *at;

	if (w == NULL)
		return err_set(e, ERR_UPSTREAM, "server %s is down", sv->s->name);
	http_reap(u); /* of the attempt before */
	at = mem_zalloc(sizeof(*at));
	at->u = u;
	at->retry_ms = RESUME_MS;
	u->wire = at;
	at->token.fn = on_token;
	at->token.ctx = at;
	link_init(&at->token.link);
	buf_init(&at->bearer, 65536);
	buf_init(&at->name, 65536);
	buf_init(&at->in, u->reply_bytes_max + ENVELOPE_BYTES);
	sse_init(&at->sse, u->reply_bytes_max + ENVELOPE_BYTES);
	if (u->name.n > 0)
		era_put_header_value(&at->name, buf_str(&u->name));
	(void)str_copy(at->session, sizeof(at->session), str_of(w->session));
	(void)str_copy(at->version, sizeof(at->version), str_of(sv->version));
	return oauth_of(at) == NULL ? attempt_start(at, e) : token_first(at, e);
}

static bool
http_left(const struct upcall *u)
{
	const struct attempt *at = u->wire;

	return at != NULL && (at->left || (at->call != NULL && http_was_sent(at->call)));
}

/* The http call is a kid of the upcall: its end closes the stream, which is the modern
 * cancellation.  A legacy server must be told. */
static void
http_forget(struct upcall *u)
{
	struct attempt *at = u->wire;
	struct server *sv = u->sv;

	if (at != NULL) {
		timer_stop(&at->resume);
		oauth_wait_drop(&at->token);
	}
	server_unlistens(sv, u);
	upcall_cancel_tell(u);
}

/* ---- life ---- */

static bool
http_open(struct server *sv, struct err *e)
{
	struct wire *w = sv->wire;

	if (w != NULL) {
		w->session[0] = '\0';
		return true;
	}
	w = mem_zalloc(sizeof(*w));
	/* Connections are the server's, sessions each instance's own. */
	w->shared = sv->of != NULL && sv->of->wire != NULL;
	w->origin = w->shared ? ((struct wire *)sv->of->wire)->origin : server_origin(sv, e);
	if (w->origin == NULL) {
		free(w);
		return false;
	}
	sv->wire = w;
	return true;
}

static void
http_close(struct server *sv)
{
	struct wire *w = sv->wire;

	if (w == NULL)
		return;
	timer_stop(&w->relisten);
	w->session[0] = '\0';
}

static void
http_free(struct server *sv)
{
	struct wire *w = sv->wire;

	if (w == NULL)
		return;
	if (!w->shared)
		origin_free(&w->origin);
	free(w);
	sv->wire = NULL;
}

static void http_listen(struct server *sv);

static void
listen_again(void *ctx)
{
	struct server *sv = ctx;

	if (sv->state == SERVER_READY)
		http_listen(sv);
}

static void
on_listen_end(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;
	struct wire *w = sv->wire;

	if (w == NULL || sv->listener != NULL)
		return;
	if (e == NULL && (r->error.p != NULL || (r->status >= 400 && r->status < 500)))
		w->no_listen = true; /* it has none; the list is read again now and then */
	else if (sv->state == SERVER_READY)
		timer_set(sv->loop, &w->relisten, RELISTEN_MS, listen_again, sv);
}

/* Asked again when what is wanted has changed. */
static void
http_listen(struct server *sv)
{
	struct server_ask a = { .method = "subscriptions/listen", .reply_bytes_max = 1 << 20 };
	struct wire *w = sv->wire;
	struct upcall *u;
	struct buf params;
	struct err e;

	if (w == NULL || w->no_listen)
		return;
	if (sv->listener != NULL && sv->era == ERA_LEGACY)
		return;
	buf_init(&params, 1 << 20);
	updates_put_listen(&params, sv);
	a.params = buf_ok(&params) ? buf_str(&params) : STR("");
	if (sv->era == ERA_LEGACY) {
		a.method = "GET";
		a.get = true;
	}
	u = upcall_start(sv, sv->root, &a, on_listen_end, sv, &e);
	if (u != NULL)
		server_listens(sv, u);
	buf_fini(&params);
}

const struct server_type server_http = { .name = "http",
	.open = http_open,
	.close = http_close,
	.send = http_send,
	.left = http_left,
	.forget = http_forget,
	.reap = http_reap,
	.free = http_free,
	.tell = upcall_tell,
	.listen = http_listen };
