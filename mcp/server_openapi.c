/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_openapi - an HTTP API as a tool server: the gateway itself speaks MCP for it.
 *
 *   open(): the document is read (or fetched) --> ready: what has waited goes on
 *   send(): server/discover, tools/list --> answered from the document
 *           tools/call --> one request of the API --> its reply as a result
 *
 * Everything before this wire is as for any server: names, rules, budgets, the audit.  The API's
 * address is the settings', never the document's; redirects are not followed; headers are those of
 * the settings and what the operation's parameters say.  A reply is text, cut at TEXT_MAX with a
 * note; an object of JSON is structuredContent too; 4xx and 5xx are tool errors, and where these
 * leave open whether a write was done they say so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/file.h"
#include "base/log.h"
#include "mcp/hub.h"
#include "mcp/openapi.h"

#define TEXT_MAX  ((size_t)256 << 10)
#define REPLY_MAX ((size_t)8 << 20)
#define FETCH_MS  10000

struct wire {
	struct server *sv;
	struct openapi *doc; /* NULL: being fetched */
	struct origin *origin;
	struct fetch *fetch;
	struct job job; /* parent of the fetch */
	bool open;
	struct link waits; /* struct doing */
};
struct doing {
	struct upcall *u;
	struct link link; /* waits */
	struct deferred later;
	struct http_call *call;
	struct openapi_request r;
	struct buf in;
	bool has_request, json, text, cut;
	bool writes, open; /* open: it does, and the status leaves open whether it was done */
	bool left;         /* a byte of it, towards the API */
	int status;
	size_t bytes;
};

static const struct job_type document_job = { "document", NULL, NULL };

/* ---- results ---- */

static void
answer(struct doing *k, struct str result)
{
	struct reply r = { .result = result, .status = 200, .open = k->open };

	upcall_answer(k->u, &r, NULL);
}

static void
text_answer(struct doing *k, struct str text, bool is_error)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(&b, text);
	buf_printf(&b, "}],\"isError\":%s}", is_error ? "true" : "false");
	answer(k, buf_str(&b));
	buf_fini(&b);
}

static void
refuse(struct doing *k, const struct err *e)
{
	text_answer(k, str_of(e->text), true);
}

static void
reply_take(struct doing *k)
{
	struct str in = buf_str(&k->in), shown = str_clip(in, TEXT_MAX);
	bool is_error = k->status >= 400, whole = shown.n == in.n && !k->cut, object;
	struct buf text, b;
	struct err e;

	buf_init(&text, 0);
	buf_init(&b, 0);
	if (is_error || (k->status >= 300 && k->status < 400) || in.n == 0)
		buf_printf(&text, "HTTP %d%s%s", k->status,
		    k->open ? " (whether it was done is not known)" : "", in.n > 0 ? "\n" : "");
	if (in.n > 0 && !k->text)
		buf_printf(&text, "[%zu bytes that are no text]", k->bytes);
	else
		buf_put(&text, shown);
	if (k->text && !whole)
		buf_printf(&text, "\n[cut: %zu of %zu bytes are shown]", shown.n, k->bytes);
	object = whole && k->json && !is_error && json_check(in, false, &e) &&
		 json_kind(in) == JSON_OBJECT;
	buf_puts(&b, "{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(&b, buf_str(&text));
	buf_puts(&b, "}]");
	if (object) {
		buf_puts(&b, ",\"structuredContent\":");
		buf_put(&b, in);
	}
	buf_printf(&b, ",\"isError\":%s}", is_error ? "true" : "false");
	answer(k, buf_str(&b));
	buf_fini(&text);
	buf_fini(&b);
}

/* ---- the API's request ---- */

static bool
type_has(struct str type, const char *word)
{
	return memmem(type.p, type.n, word, strlen(word)) != NULL;
}

static void
on_head(void *ctx, const struct http1_head *h)
{
	struct doing *k = ctx;
	const struct header *type = http1_find(h, STR("content-type"));
	struct str t = type == NULL ? STR("") : type->value;

	k->status = h->status;
	k->open = k->writes && http_leaves_open(h);
	k->json = type_has(t, "json");
	k->text = k->json || type_has(t, "text/") || type_has(t, "xml") || type_has(t, "yaml") ||
		  t.n == 0;
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct doing *k = ctx;
	size_t room = k->in.n < REPLY_MAX ? REPLY_MAX - k->in.n : 0;

	k->bytes += bytes.n;
	k->cut = k->cut || bytes.n > room;
	buf_put(&k->in, (struct str){ bytes.p, bytes.n < room ? bytes.n : room });
	return true;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct doing *k = ctx;
	struct err why;

	k->left = http_was_sent(k->call);
	k->call = NULL;
	if (!job_running(&k->u->job))
		return;
	if (e == NULL) {
		reply_take(k);
		return;
	}
	(void)err_set(&why, e->code, "server %s: the API does not answer: %.200s",
	    k->u->sv->s->name, e->text);
	upcall_answer(k->u, NULL, &why);
}

/* The settings' come first: a parameter of the document does not speak for the gateway. */
static size_t
headers_put(const struct doing *k, struct header h[UPCALL_HEADERS_MAX])
{
	static const struct str ours[] = { STR("host"), STR("content-length"), STR("content-type"),
		STR("connection"), STR("transfer-encoding"), STR("authorization"), STR("cookie"),
		STR("te"), STR("trailer"), STR("upgrade"), STR("expect"),
		STR("proxy-authorization") };
	const struct server_settings *s = k->u->sv->s;
	size_t n = 0;

	for (size_t i = 0; i < s->headers_n; i++)
		upcall_header(h, &n, s->headers[i].name, s->headers[i].value);
	for (size_t i = 0; i < k->r.n; i++) {
		bool taken = str_in(k->r.h[i].name, ours, COUNT(ours));

		for (size_t j = 0; j < s->headers_n; j++)
			taken = taken || str_ieq(s->headers[j].name, k->r.h[i].name);
		if (!taken)
			upcall_header(h, &n, k->r.h[i].name, k->r.h[i].value);
	}
	upcall_header(h, &n, STR("accept"), STR("application/json, text/*;q=0.9, */*;q=0.5"));
	upcall_header(h, &n, STR("accept-encoding"), STR("identity"));
	upcall_header(h, &n, STR("user-agent"), STR("tollgate"));
	if (k->r.body.p != NULL)
		upcall_header(h, &n, STR("content-type"), STR("application/json"));
	return n;
}

static void
call_start(struct doing *k, const struct openapi_operation *op, struct str args)
{
	static const struct http_events events = { on_head, on_data, on_done };
	struct wire *w = k->u->sv->wire;
	struct header h[UPCALL_HEADERS_MAX];
	struct http_request r;
	struct err e;

	if (!openapi_request(op, origin_path(w->origin), args, &k->r, &e)) {
		refuse(k, &e);
		return;
	}
	k->has_request = true;
	k->writes = !str_eq(op->method, STR("GET")) && !str_eq(op->method, STR("HEAD"));
	r = (struct http_request){ .origin = w->origin,
		.method = op->method,
		.target = buf_str(&k->r.target),
		.h = h, /* copied by http_start() */
		.n = headers_put(k, h),
		.body = { k->r.body.p == NULL ? STR("") : k->r.body },
		.first_byte_ms = k->u->deadline_ms,
		.idle_ms = k->u->deadline_ms };
	k->call = http_start(&k->u->job, &r, &events, k, &e);
	if (k->call == NULL)
		upcall_answer(k->u, NULL, &e);
}

/* ---- MCP ---- */

static void
list_answer(struct doing *k, const struct openapi *doc)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(
	    &b, "{\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\",\"tools\":[");
	for (size_t i = 0; i < doc->n; i++) {
		buf_puts(&b, i > 0 ? "," : "");
		buf_put(&b, doc->operations[i].definition);
	}
	buf_puts(&b, "]}");
	answer(k, buf_str(&b));
	buf_fini(&b);
}

static void
tool_call(struct doing *k, const struct openapi *doc)
{
	struct str params, name = STR(""), args = STR("{}");
	const struct openapi_operation *op = NULL;
	struct arena a;
	struct err e;

	arena_init(&a, 1 << 20);
	if (json_get(buf_str(&k->u->out), STR("params"), &params)) {
		if (json_get(params, STR("name"), &name) && name.n < 4096 &&
		    json_string(name, &a, &name))
			op = openapi_find(doc, name);
		(void)json_get(params, STR("arguments"), &args);
	}
	arena_free(&a);
	if (op != NULL) {
		call_start(k, op, args);
		return;
	}
	(void)err_set(&e, ERR_NOT_FOUND, "the document has no such operation");
	refuse(k, &e);
}

static void
act(void *ctx)
{
	struct doing *k = ctx;
	struct wire *w = k->u->sv->wire;
	const char *method = k->u->method;
	struct reply none = { .error = STR("{\"code\":-32601,\"message\":\"Method not found\"}"),
		.code = RPC_METHOD,
		.status = 404 };

	if (k->u->notification)
		upcall_answer(k->u, NULL, NULL);
	else if (strcmp(method, "server/discover") == 0)
		answer(k, STR("{\"supportedVersions\":[\"" ERA_MODERN_VERSION
			      "\"],\"capabilities\":{\"tools\":{}},\"resultType\":\"complete\","
			      "\"ttlMs\":0,\"cacheScope\":\"private\"}"));
	else if (strcmp(method, "tools/list") == 0)
		list_answer(k, w->doc);
	else if (strcmp(method, "tools/call") == 0)
		tool_call(k, w->doc);
	else
		upcall_answer(k->u, &none, NULL);
}

static bool
api_send(struct upcall *u, struct err *e)
{
	struct wire *w = u->sv->wire;
	struct doing *k;

	if (w == NULL || !w->open)
		return err_set(e, ERR_UPSTREAM, "server %s is down", u->sv->s->name);
	k = mem_zalloc(sizeof(*k));
	k->u = u;
	link_init(&k->link);
	buf_init(&k->in, REPLY_MAX);
	u->wire = k;
	if (w->doc == NULL)
		link_push(&w->waits, &k->link);
	else
		loop_defer(u->sv->loop, &k->later, act, k);
	return true;
}

static bool
api_left(const struct upcall *u)
{
	const struct doing *k = u->wire;

	return k != NULL && (k->left || (k->call != NULL && http_was_sent(k->call)));
}

static void
api_forget(struct upcall *u)
{
	struct doing *k = u->wire;

	server_unlistens(u->sv, u);
	if (k == NULL)
		return;
	link_drop(&k->link);
	deferred_drop(&k->later);
}

static void
api_reap(struct upcall *u)
{
	struct doing *k = u->wire;

	if (k == NULL)
		return;
	if (k->has_request)
		openapi_request_fini(&k->r);
	buf_fini(&k->in);
	free(k);
	u->wire = NULL;
}

/* ---- the document ---- */

static void
fail(struct wire *w, const char *why)
{
	struct err e;

	(void)err_set(&e, ERR_UPSTREAM, "%.300s", why);
	server_fail(w->sv, &e);
}

static void
ready(struct wire *w, struct openapi *doc)
{
	w->doc = doc;
	if (doc->left_out > 0)
		log_warn(NULL, "operations left out", F_STR("server", w->sv->name),
		    F_INT("operations", (int64_t)doc->left_out));
	while (!link_empty(&w->waits)) {
		struct doing *k = CONTAINER(w->waits.next, struct doing, link);

		link_drop(&k->link);
		loop_defer(w->sv->loop, &k->later, act, k);
	}
}

static void
fetched(void *ctx, int status, struct str body, const struct err *e)
{
	struct wire *w = ctx;
	struct openapi *doc;
	struct err why;
	char text[80];

	w->fetch = NULL;
	if (e != NULL) {
		fail(w, e->text);
		return;
	}
	if (status != 200) {
		(void)snprintf(text, sizeof(text), "its document: HTTP %d", status);
		fail(w, text);
		return;
	}
	doc = openapi_read(w->sv->s->openapi, body, &why);
	if (doc == NULL)
		fail(w, why.text);
	else
		ready(w, doc);
}

static struct openapi *
document_read(const char *path, struct err *e)
{
	struct openapi *doc = NULL;
	struct buf text;
	struct err why;

	buf_init(&text, OPENAPI_BYTES_MAX * 2);
	if (file_read(path, OPENAPI_BYTES_MAX, &text, &why))
		doc = openapi_read(path, buf_str(&text), e);
	else
		(void)err_set(e, ERR_INVALID, "%s: %s", path, why.text);
	buf_fini(&text);
	return doc;
}

bool
mcp_openapi_check(const char *path, struct err *e)
{
	struct openapi *doc = document_read(path, e);
	bool ok = doc != NULL;

	openapi_free(&doc);
	return ok;
}

static bool
document_open(struct wire *w, struct err *e)
{
	const struct server_settings *s = w->sv->s;
	struct fetch_from from = { w->sv->loop, w->sv->hub->pool };
	struct fetch_ask a = { .url = str_of(s->openapi),
		.ca_file = s->ca_file,
		.proxy = s->proxy,
		.trusted = true, /* the operator has written it down */
		.bytes_max = OPENAPI_BYTES_MAX,
		.deadline_ms = FETCH_MS };
	struct openapi *doc;

	if (str_starts(a.url, STR("http://")) || str_starts(a.url, STR("https://"))) {
		w->fetch = fetch_start(&from, &w->job, &a, fetched, w, e);
		return w->fetch != NULL;
	}
	doc = document_read(s->openapi, e);
	if (doc != NULL)
		ready(w, doc);
	return doc != NULL;
}

static bool
api_open(struct server *sv, struct err *e)
{
	struct wire *w = sv->wire;

	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->origin = server_origin(sv, e);
		if (w->origin == NULL) {
			free(w);
			return false;
		}
		w->sv = sv;
		link_init(&w->waits);
		job_init(&w->job, &document_job, sv->root, NULL, NULL);
		sv->wire = w;
	}
	openapi_free(&w->doc);
	w->open = document_open(w, e);
	return w->open;
}

static void
api_close(struct server *sv)
{
	struct wire *w = sv->wire;

	if (w == NULL)
		return;
	w->open = false;
	job_cancel_kids(&w->job);
	w->fetch = NULL;
	while (!link_empty(&w->waits))
		link_drop(w->waits.next);
}

/* Only with the hub, when nothing is under way any more: its jobs have been reaped. */
static void
api_free(struct server *sv)
{
	struct wire *w = sv->wire;

	if (w == NULL)
		return;
	openapi_free(&w->doc);
	origin_free(&w->origin);
	free(w);
	sv->wire = NULL;
}

static void
api_tell(struct server *sv, struct str message)
{
	(void)sv; /* an API asks for nothing */
	(void)message;
}

static void
api_listen(struct server *sv)
{
	(void)sv; /* nor does it change by itself */
}

const struct server_type server_openapi = { .name = "openapi",
	.open = api_open,
	.close = api_close,
	.send = api_send,
	.left = api_left,
	.forget = api_forget,
	.reap = api_reap,
	.free = api_free,
	.tell = api_tell,
	.listen = api_listen };
