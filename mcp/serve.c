/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - one HTTP request on /mcp.
 *
 *   Origin, Host -> method -> message -> era (era.c) -> serve_modern.c or serve_legacy.c
 *
 * and what both eras share: the shape of replies and what we say of ourselves.  Lists are in
 * serve_list.c, what a server must answer in answer.c.
 */
#include "mcp/serve.h"

#include <string.h>

#include "mcp/view.h"

#define REPLY_BYTES_MAX        ((size_t)64 << 20)
#define INSTRUCTIONS_BYTES_MAX 4096 /* Claude Code cuts there */

/* ---- replies ---- */

void
reply_json(struct visit *v, int status, struct str body, struct str session_id)
{
	struct header h[2] = { { STR("content-type"), STR("application/json") },
		{ STR("mcp-session-id"), session_id } };

	if (v->batch != NULL) {
		batch_add(v->batch, body);
		return;
	}
	if (v->streaming) {
		(void)event_push(v->sink, body);
		sink_end(v->sink, NULL);
		return;
	}
	sink_head(v->sink, status, h, session_id.n > 0 ? 2 : 1, (int64_t)body.n);
	(void)sink_push(v->sink, body);
	sink_end(v->sink, NULL);
}

void
reply_none(struct visit *v, int status)
{
	if (v->batch != NULL) {
		batch_add(v->batch, STR(""));
		return;
	}
	sink_head(v->sink, status, NULL, 0, 0);
	sink_end(v->sink, NULL);
}

void
reply_error(struct visit *v, int status, struct str id, int code, const char *text)
{
	struct buf b;

	buf_init(&b, 65536);
	rpc_put_error(&b, id, code, str_of(text), STR(""));
	reply_json(v, status, buf_str(&b), STR(""));
	buf_fini(&b);
}

void
reply_result(struct visit *v, struct str id, struct str result_json)
{
	struct buf b;

	buf_init(&b, REPLY_BYTES_MAX);
	rpc_put_result(&b, id, result_json);
	if (buf_ok(&b))
		reply_json(v, 200, buf_str(&b), STR(""));
	else
		reply_error(v, 200, id, RPC_SERVER, "the reply is too large");
	buf_fini(&b);
}

void
stream_head(struct sink *sink)
{
	static const struct header h[] = { { STR("content-type"), STR("text/event-stream") },
		{ STR("cache-control"), STR("no-cache, no-transform") },
		{ STR("x-accel-buffering"), STR("no") } };

	sink_head(sink, 200, h, COUNT(h), -1);
}

size_t
event_push(struct sink *sink, struct str message)
{
	size_t room;
	struct buf b;

	buf_init(&b, message.n + 64);
	buf_puts(&b, "event: message\ndata: ");
	(void)buf_room(&b, message.n + 4);
	for (size_t i = 0; i < message.n; i++) /* between tokens only: it was checked */
		buf_putc(&b, message.p[i] == '\n' || message.p[i] == '\r' ? ' ' : message.p[i]);
	buf_puts(&b, "\n\n");
	room = sink_push(sink, buf_str(&b));
	buf_fini(&b);
	return room;
}

/* ---- what we say of ourselves ---- */

/* Ours first, then of each server of which this key sees anything. */
static void
instructions_put(struct visit *v, struct buf *out)
{
	static const char always[] =
	    "Tools of several servers behind one gateway, named server__tool. The list holds what "
	    "your key may use. A call that a policy or a budget refuses says why in its result.";
	static const char bare[] =
	    "Tools of several servers behind one gateway. The list holds what your key may use. A "
	    "call that a policy or a budget refuses says why in its result.";
	static const char scripts[] =
	    "Tools of several servers behind one gateway, called from scripts: `tools` finds what "
	    "your key may use, `lua` runs a script. A call that a policy or a budget refuses says "
	    "why.";
	const struct view *view = hub_view(v->hub, v->r->key, v->view);

	if (v->view != NULL && v->view->instructions.n > 0) {
		buf_put(out, v->view->instructions);
		return;
	}
	buf_puts(out, view->alone ? scripts : v->hub->prefix == PREFIX_ALWAYS ? always : bare);
	for (size_t i = 0; i < v->hub->servers_n; i++) {
		const struct server *sv = &v->hub->servers[i];
		size_t room = INSTRUCTIONS_BYTES_MAX - out->n;

		if (sv->instructions == NULL || !view_has(view, sv->name) ||
		    strlen(sv->instructions) + sv->name.n + 4 > room)
			continue;
		buf_printf(out, "\n\n" STR_FMT ": %s", STR_ARG(sv->name), sv->instructions);
	}
}

void
serve_put_self(struct visit *v, struct buf *b)
{
	struct buf text;

	buf_init(&text, 0);
	instructions_put(v, &text);
	buf_puts(b, "\"capabilities\":{\"tools\":{\"listChanged\":true},\"prompts\":{"
		    "\"listChanged\":true},\"resources\":{\"listChanged\":true,\"subscribe\":true},"
		    "\"completions\":{},\"logging\":{}},\"instructions\":");
	buf_json_str(b, buf_str(&text));
	buf_fini(&text);
}

/* ---- the request ---- */

static bool
takes_events(const struct http1_head *head)
{
	const struct header *h = http1_find(head, STR("accept"));

	return h != NULL && (memmem(h->value.p, h->value.n, "text/event-stream", 17) != NULL ||
				memmem(h->value.p, h->value.n, "*/*", 3) != NULL);
}

static void
serve_post(struct visit *v)
{
	struct str body = v->r->body;
	struct era_verdict verdict;
	struct rpc m;
	struct err e;

	while (body.n > 0 &&
	       (body.p[0] == ' ' || body.p[0] == '\n' || body.p[0] == '\r' || body.p[0] == '\t')) {
		body.p++;
		body.n--;
	}
	if (body.n > 0 && body.p[0] == '[') {
		serve_legacy(v, body);
		return;
	}
	if (!rpc_parse(body, true, &m, &e)) {
		reply_error(v, 400, m.id, m.bad, e.text);
		return;
	}
	if (m.params.p == NULL)
		m.params = STR("{}");
	era_classify(v->r->head, &m, &verdict);
	v->era = verdict.era;
	if (verdict.era == ERA_MODERN)
		serve_modern(v, &m, &verdict);
	else
		serve_legacy(v, body);
}

void
mcp_serve(struct hub *h, struct job *root, const struct mcp_request *r, struct sink *sink)
{
	struct visit v = {
		.hub = h, .root = root, .sink = sink, .r = r, .takes_events = takes_events(r->head)
	};
	static const struct header allow = { STR("allow"), STR("GET, POST, DELETE") };
	const struct header *version = http1_find(r->head, STR("mcp-protocol-version"));
	bool legacy = version == NULL || era_legacy_version(str_trim(version->value)) != NULL;

	IS(h, HUB_MAGIC);
	v.view = hub_find_view(h, r->view);
	if (r->view.n > 0 && v.view == NULL) {
		reply_error(&v, 404, STR_NONE, RPC_REQUEST, "there is no such view");
		return;
	}
	if (str_eq(r->method, STR("POST"))) {
		serve_post(&v);
	} else if (legacy && str_eq(r->method, STR("GET"))) {
		serve_legacy_get(&v);
	} else if (legacy && str_eq(r->method, STR("DELETE"))) {
		serve_legacy_delete(&v);
	} else {
		sink_head(sink, 405, &allow, 1, 0);
		sink_end(sink, NULL);
	}
}
