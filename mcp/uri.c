/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri - two servers may give two things the same URI, and a client that reads one must not get the
 * other: so what clients see names the server.
 *
 * The new URI is the old one with something put in, so a result is rewritten by copying it and
 * putting that in behind the quotes; no string is ever decoded for it.
 */
#include "mcp/uri.h"

#include <string.h>

#include "base/json.h"

static const struct str mark = { "tg+", 3 };
static const struct str ui = { "ui://", 5 };

void
uri_wrap(struct buf *out, struct str server, struct str uri)
{
	if (str_starts(uri, ui)) {
		buf_put(out, ui);
		buf_put(out, server);
		buf_putc(out, '/');
		buf_put(out, (struct str){ uri.p + ui.n, uri.n - ui.n });
		return;
	}
	buf_put(out, mark);
	buf_put(out, server);
	buf_putc(out, '+');
	buf_put(out, uri);
}

bool
uri_unwrap(struct str listed, struct str *server, struct buf *uri)
{
	bool is_ui = str_starts(listed, ui);
	struct str rest;

	if (!is_ui && !str_starts(listed, mark))
		return false;
	rest =
	    (struct str){ listed.p + (is_ui ? ui.n : mark.n), listed.n - (is_ui ? ui.n : mark.n) };
	*server = str_cut(&rest, is_ui ? '/' : '+');
	if (rest.p == NULL || server->n == 0)
		return false;
	if (is_ui)
		buf_put(uri, ui);
	buf_put(uri, rest);
	return true;
}

/* ---- results ---- */

struct copy {
	struct buf *out;
	const char *from; /* what has not been copied yet begins here */
	struct str server;
};

/* `raw` is a JSON string within what is copied, behind c->from. */
static void
uri_copy(struct copy *c, struct str raw)
{
	struct str inner;

	if (json_kind(raw) != JSON_STRING || raw.p < c->from)
		return;
	inner = (struct str){ raw.p + 1, raw.n - 2 };
	buf_put(c->out, STR_SPAN(c->from, inner.p));
	uri_wrap(c->out, c->server, inner);
	c->from = inner.p + inner.n;
}

static void
block_copy(struct copy *c, struct str block)
{
	struct str type, v;

	if (json_kind(block) != JSON_OBJECT || !json_get(block, STR("type"), &type))
		return;
	if (json_string_is(type, STR("resource")))
		if (!json_get(block, STR("resource"), &block) || json_kind(block) != JSON_OBJECT)
			return;
	if ((json_string_is(type, STR("resource")) || json_string_is(type, STR("resource_link"))) &&
	    json_get(block, STR("uri"), &v))
		uri_copy(c, v);
}

static void
blocks_copy(struct copy *c, struct str content)
{
	struct json_iter it;
	struct str key, one;

	if (json_kind(content) == JSON_OBJECT)
		block_copy(c, content);
	else if (json_kind(content) == JSON_ARRAY && json_open(content, &it))
		while (json_next(&it, &key, &one))
			block_copy(c, one);
}

/* Members are visited as they stand, so that copying only goes forward. */
static void
member_copy(struct copy *c, struct str key, struct str v)
{
	struct json_iter it;
	struct str k, one, part;

	if (json_key_is(key, STR("content"))) {
		blocks_copy(c, v);
		return;
	}
	if (json_kind(v) != JSON_ARRAY || !json_open(v, &it))
		return;
	if (json_key_is(key, STR("messages"))) {
		while (json_next(&it, &k, &one))
			if (json_kind(one) == JSON_OBJECT && json_get(one, STR("content"), &part))
				blocks_copy(c, part);
	} else if (json_key_is(key, STR("contents"))) {
		while (json_next(&it, &k, &one))
			if (json_kind(one) == JSON_OBJECT && json_get(one, STR("uri"), &part))
				uri_copy(c, part);
	}
}

void
uri_wrap_result(struct buf *out, struct str server, struct str result)
{
	struct copy c = { .out = out, .from = result.p, .server = server };
	struct json_iter it;
	struct str key, v;

	if (json_kind(result) == JSON_OBJECT && json_open(result, &it))
		while (json_next(&it, &key, &v))
			member_copy(&c, key, v);
	buf_put(out, STR_SPAN(c.from, result.p + result.n));
}
