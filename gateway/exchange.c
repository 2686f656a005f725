/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - one HTTP request and its reply; the root of a job tree.
 *
 *   request() --route--> handler ... sink end --> over()     (access line, job finished)
 *   client gone --> gone(): the tree is cancelled             (or goes on, if the handler says so)
 *
 * The exchange's sink stands before the connection's: it adds the request id to the head and counts
 * what leaves.  When the reply has ended, the root job finishes, which also cancels whatever a
 * handler left behind.
 */
#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "gateway/address.h"
#include "gateway/identity.h"

#define EXCHANGE_MAGIC 0x65786368u
#define ARENA_BYTES    ((size_t)8 << 20)
#define NS_PER_S       1000000000
#define HEADERS_MAX    (HTTP1_HEADERS_MAX + 4) /* a provider's whole head, and some of ours */

static struct exchange *
exchange_of(struct sink *s)
{
	struct exchange *x = CONTAINER(s, struct exchange, sink);

	IS(x, EXCHANGE_MAGIC);
	return x;
}

/* ---- the sink ---- */

static void
drained(void *ctx)
{
	struct exchange *x = ctx;

	if (x->sink.drained != NULL)
		x->sink.drained(x->sink.drained_ctx);
}

static void
sink_do_head(struct sink *s, int status, const struct header *h, size_t n, int64_t length_bytes)
{
	struct exchange *x = exchange_of(s);
	struct header all[HEADERS_MAX + 4];

	ASSERT(n <= HEADERS_MAX);
	if (x->conn == NULL) /* already over: the tree is coming down */
		return;
	x->status = status;
	if (n > 0)
		memcpy(all, h, n * sizeof(*h));
	all[n++] = (struct header){ STR("x-tollgate-request-id"), str_of(x->id) };
	if (x->page.n > 0) { /* see origin.c */
		all[n++] = (struct header){ STR("access-control-allow-origin"), x->page };
		all[n++] = (struct header){ STR("access-control-expose-headers"),
			STR("Mcp-Session-Id, WWW-Authenticate, x-tollgate-request-id") };
		all[n++] = (struct header){ STR("vary"), STR("origin") };
	}
	sink_head(conn_sink(x->conn), status, all, n, length_bytes);
}

static size_t
sink_do_push(struct sink *s, struct str bytes)
{
	struct exchange *x = exchange_of(s);

	if (x->conn == NULL)
		return 1;
	x->bytes += (int64_t)bytes.n;
	return sink_push(conn_sink(x->conn), bytes);
}

static void
sink_do_end(struct sink *s, const struct err *e)
{
	struct exchange *x = exchange_of(s);

	if (x->ended)
		return;
	x->ended = true;
	x->broken = e != NULL;
	if (job_running(&x->job))
		job_finish(&x->job, e);
}

static void
sink_do_hold(struct sink *s)
{
	struct exchange *x = exchange_of(s);

	if (x->conn != NULL)
		sink_hold(conn_sink(x->conn));
}

static const struct sink_type exchange_sink = { sink_do_head, sink_do_push, sink_do_end,
	sink_do_hold };

/* ---- the end ---- */

/* One line per reply, for those who want it; the query stays out, credentials come in queries. */
static void
access_line(const struct exchange *x)
{
	struct key_info key = { .id = STR("") };

	if (x->key != NULL)
		key_info(x->key, &key);
	log_info(&x->job, "access", F_TEXT("id", x->id), F_STR("client", x->client),
	    F_STR("method", x->head->method), F_STR("path", x->path), F_INT("status", x->status),
	    F_INT("bytes", x->bytes), F_INT("ms", loop_mono_ms(x->g->loop) - x->started_ms),
	    F_STR("key", key.id));
}

static void
exchange_stop(struct job *j)
{
	struct exchange *x = CONTAINER(j, struct exchange, job);
	struct err cut;

	IS(x, EXCHANGE_MAGIC);
	link_drop(&x->link);
	conn_on_gone(x->conn, NULL, NULL);
	if (x->g->access_log) /* before the end: what it tells lives until then */
		access_line(x);
	(void)err_set(&cut, ERR_CANCELLED, "cut");
	/* Cancelled: the reply breaks off.  Finished: sink_do_end() said how. */
	sink_end(conn_sink(x->conn), x->ended && !x->broken ? NULL : &cut);
	x->conn = NULL;
	x->g->replies[x->status / 100 < 6 ? x->status / 100 : 0]++;
}

static void
exchange_reap(struct job *j)
{
	struct exchange *x = CONTAINER(j, struct exchange, job);

	arena_free(&x->arena);
	x->magic = 0;
	free(x);
}

static const struct job_type exchange_type = { "exchange", exchange_stop, exchange_reap };

static void
gone(void *ctx)
{
	struct exchange *x = ctx;

	IS(x, EXCHANGE_MAGIC);
	if (x->gone != NULL && x->gone(x))
		return;
	job_cancel(&x->job);
}

/* ---- replies ---- */

void
exchange_reply(struct exchange *x, int status, struct str type, struct str body)
{
	struct header h[] = { { STR("content-type"), type } };

	sink_head(&x->sink, status, h, COUNT(h), (int64_t)body.n);
	if (body.n > 0)
		(void)sink_push(&x->sink, body);
	sink_end(&x->sink, NULL);
}

static int
refusal_status(const struct dialect *d, const struct err *e)
{
	return d->status != NULL ? d->status(e->code) : err_http(e->code);
}

/* content-type, retry-after, x-should-retry, www-authenticate; returns how many.  challenge: more
 * than that a credential is needed; or "". */
static size_t
refusal_headers(const struct err *e, struct str challenge, struct header h[4],
    char seconds[16]) // NOLINT(readability-non-const-parameter)
{
	struct buf b = { .p = seconds, .cap = 16, .limit = 16 };
	size_t n = 0;

	h[n++] = (struct header){ STR("content-type"), STR("application/json") };
	if (e->retry_after_s > 0) {
		buf_i64(&b, e->retry_after_s);
		h[n++] = (struct header){ STR("retry-after"), buf_str(&b) };
	}
	if (!err_retry(e->code))
		h[n++] = (struct header){ STR("x-should-retry"), STR("false") };
	if (challenge.n > 0)
		h[n++] = (struct header){ STR("www-authenticate"), challenge };
	else if (e->code == ERR_AUTH)
		h[n++] = (struct header){ STR("www-authenticate"), STR("Bearer") };
	return n;
}

void
exchange_refuse(struct exchange *x, const struct err *e)
{
	struct header h[4];
	char seconds[16];
	struct buf b;
	size_t n = refusal_headers(e, x->challenge, h, seconds);

	buf_init(&b, 0);
	x->dialect->refusal(e, loop_wall_ns(x->g->loop) / NS_PER_S, &b);
	sink_head(&x->sink, refusal_status(x->dialect, e), h, n, (int64_t)b.n);
	(void)sink_push(&x->sink, buf_str(&b));
	buf_fini(&b);
	sink_end(&x->sink, NULL);
}

/* ---- who ---- */

struct str
exchange_header(const struct exchange *x, struct str lower_name)
{
	const struct header *h = http1_find(x->head, lower_name);

	return h == NULL ? STR("") : h->value;
}

static struct str
bearer(const struct exchange *x)
{
	struct str v = exchange_header(x, STR("authorization"));

	if (v.n > 7 && str_ieq((struct str){ v.p, 7 }, STR("bearer ")))
		return str_trim((struct str){ v.p + 7, v.n - 7 });
	return STR("");
}

/*
 * Clients may send two credentials at once, with different values: the one that looks like a
 * virtual key is believed, whichever header it stands in.
 */
static struct str
credential(const struct exchange *x)
{
	struct str all[] = { exchange_header(x, STR("x-tollgate-key")), bearer(x),
		exchange_header(x, STR("x-api-key")), exchange_header(x, STR("x-goog-api-key")) };
	struct str any = STR("");
	int given = 0;

	for (size_t i = 0; i < COUNT(all); i++) {
		if (all[i].n == 0)
			continue;
		if (given++ == 0)
			any = all[i];
	}
	for (size_t i = 0; given > 1 && i < COUNT(all); i++)
		if (key_looks_like(all[i]))
			return all[i];
	return any;
}

/* By either kind of secret; `none` is what is said to a request without one. */
static bool
identify(struct exchange *x, struct key *(*find)(struct core *, struct str, struct err *),
    const char *none)
{
	struct str secret = credential(x);
	struct err e;

	if (secret.n == 0)
		(void)err_set(&e, ERR_AUTH, "%s", none);
	else
		x->key = find(x->g->core, secret, &e);
	if (x->key == NULL)
		exchange_refuse(x, &e);
	else
		first_used(x->g, x->key);
	return x->key != NULL;
}

/* /mcp where there is an identity provider: its token, or a virtual key; who has neither is told
 * where to get the first. */
static bool
identify_person(struct exchange *x)
{
	struct str secret = credential(x);
	struct buf challenge;
	struct err e;

	if (identity_is_token(secret))
		x->key = identity_key(x->g->identity, secret, &e);
	else if (secret.n > 0)
		x->key = key_find(x->g->core, secret, &e);
	else
		(void)err_set(
		    &e, ERR_AUTH, "a token of the identity provider, or a virtual key, is needed");
	if (x->key != NULL) {
		first_used(x->g, x->key);
		return true;
	}
	buf_init(&challenge, 8192);
	if (!str_starts(secret, STR("tg-")) && err_http(e.code) / 100 == 4)
		identity_challenge(x->g->identity, x->path, &e, &challenge);
	x->challenge = arena_str(&x->arena, buf_str(&challenge));
	buf_fini(&challenge);
	exchange_refuse(x, &e);
	return false;
}

bool
exchange_identify(struct exchange *x)
{
	if (x->g->identity != NULL && x->dialect == &dialect_rpc)
		return identify_person(x);
	return identify(
	    x, key_find, "a virtual key is needed: Authorization: Bearer tg-... (or x-api-key)");
}

/* A virtual key comes in, too: what it may do here, rules say. */
static struct key *
admin_or_key(struct core *c, struct str secret, struct err *e)
{
	struct key *k = admin_find(c, secret, e);

	return k == NULL && e->code == ERR_DENIED ? key_find(c, secret, e) : k;
}

bool
exchange_identify_admin(struct exchange *x)
{
	return identify(x, admin_or_key, "an admin token is needed: Authorization: Bearer tg-...");
}

/* ---- the start ---- */

static void
id_new(char id[20])
{
	id[0] = 'r';
	id[1] = '_';
	base62_random(id + 2, 16);
}

static struct exchange *
exchange_new(struct gateway *g, struct conn *c, const struct http1_head *head, struct str body)
{
	struct exchange *x = mem_zalloc(sizeof(*x));

	x->magic = EXCHANGE_MAGIC;
	x->g = g;
	x->conn = c;
	x->head = head;
	x->body = body;
	x->started_ms = loop_mono_ms(g->loop);
	x->sink.type = &exchange_sink;
	id_new(x->id);
	arena_init(&x->arena, ARENA_BYTES);
	job_init(&x->job, &exchange_type, NULL, NULL, NULL);
	link_init(&x->link);
	link_push(&g->exchanges, &x->link);
	conn_sink(c)->drained = drained;
	conn_sink(c)->drained_ctx = x;
	conn_on_gone(c, gone, x);
	g->requests++;
	return x;
}

/* The peer, or behind a trusted proxy whom it names; then a copy. */
static struct str
client_of(struct exchange *x)
{
	char text[ADDRESS_TEXT];
	struct str peer = conn_peer(x->conn);
	struct str client = address_client(peer, x->head, x->g->proxies, x->g->proxies_n, text);

	return client.p == peer.p ? peer : arena_str(&x->arena, client);
}

static void
request(void *ctx, struct conn *c, const struct http1_head *head, struct str body)
{
	struct exchange *x = exchange_new(ctx, c, head, body);

	x->query = head->target;
	x->path = str_cut(&x->query, '?');
	x->dialect = route_dialect(head->target);
	x->client = client_of(x);
	route(x);
}

/* Not a request at all: no exchange, but the same words. */
static void
bad(void *ctx, struct conn *c, const struct err *e, struct str target)
{
	const struct dialect *d = route_dialect(target);
	struct gateway *g = ctx;
	struct header h[5];
	char seconds[16], id[20] = "";
	struct buf b;
	size_t n = refusal_headers(e, STR(""), h, seconds);
	int status = refusal_status(d, e);

	id_new(id);
	h[n++] = (struct header){ STR("x-tollgate-request-id"), str_of(id) };
	g->requests++;
	g->replies[status / 100]++;
	if (g->access_log)
		log_info(NULL, "access", F_TEXT("id", id), F_STR("client", conn_peer(c)),
		    F_INT("status", status), F_TEXT("why", e->text));
	buf_init(&b, 0);
	d->refusal(e, loop_wall_ns(g->loop) / NS_PER_S, &b);
	sink_head(conn_sink(c), status, h, n, (int64_t)b.n);
	(void)sink_push(conn_sink(c), buf_str(&b));
	sink_end(conn_sink(c), NULL);
	buf_fini(&b);
}

const struct listen_handler exchange_handler = { .request = request, .bad = bad };
