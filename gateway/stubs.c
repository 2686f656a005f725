/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stubs - GET /codemode/stubs.lua, with a key: what its scripts can call, for an editor.
 *
 * The same bytes as long as the same can be called, and their digest as the etag, so that an editor
 * can look often.
 */
#include "gateway/gateway.h"

#define TAG_BYTES 16 /* of the digest */

static bool
stubs_offered(struct exchange *x, struct err *e)
{
	struct code_offer o;
	struct buf why;

	hub_code_offer(x->g->hub, x->key, NULL, &o);
	if (x->g->codemode != NULL && o.scripts)
		return true;
	buf_init(&why, 0);
	rules_why(x->g->core, x->key, ASK_RUN, STR("run"), &why);
	buf_puts(&why, "; ");
	code_offer_put(&o, &why);
	(void)err_set(
	    e, ERR_NOT_FOUND, "this key is offered no scripts: " STR_FMT, STR_ARG(buf_str(&why)));
	buf_fini(&why);
	return false;
}

/* Does the client have it already?  A list of tags, some with W/ before them; or "*". */
static bool
is_known(struct str known, struct str tag)
{
	if (str_eq(str_trim(known), STR("*")))
		return true;
	while (known.p != NULL) {
		struct str one = str_trim(str_cut(&known, ','));

		if (str_starts(one, STR("W/")))
			one = (struct str){ one.p + 2, one.n - 2 };
		if (str_eq(one, tag))
			return true;
	}
	return false;
}

void
stubs_lua(struct exchange *x)
{
	struct header h[] = { { STR("content-type"), STR("text/x-lua; charset=utf-8") },
		{ STR("cache-control"), STR("private, no-cache") }, { STR("etag"), STR("") } };
	struct sha256 digest;
	struct buf b, tag;
	struct err e;
	bool known;

	if (!exchange_identify(x))
		return;
	if (!stubs_offered(x, &e)) {
		exchange_refuse(x, &e);
		return;
	}
	buf_init(&b, 0);
	buf_init(&tag, 0);
	codemode_stubs(x->g->codemode, x->key, &b);
	sha256(&digest, buf_str(&b));
	buf_putc(&tag, '"');
	buf_hex(&tag, digest.b, TAG_BYTES);
	buf_putc(&tag, '"');
	h[2].value = buf_str(&tag);
	known = is_known(exchange_header(x, STR("if-none-match")), buf_str(&tag));
	sink_head(&x->sink, known ? 304 : 200, h, COUNT(h), known ? 0 : (int64_t)b.n);
	if (!known)
		(void)sink_push(&x->sink, buf_str(&b));
	sink_end(&x->sink, NULL);
	buf_fini(&tag);
	buf_fini(&b);
}
