/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any JSON array as prompts, resources and templates: each that is kept is one JSON object with its
 * listed name; and any JSON object as a result whose URIs are wrapped: it stays JSON.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "mcp/offer.h"
#include "mcp/uri.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
set_check(enum offer_kind kind, struct str list)
{
	struct offerset *s = offerset_new(STR("srv"), kind);
	struct str server;
	struct buf b, own;
	struct err e;

	buf_init(&b, 0);
	buf_init(&own, 0);
	offerset_add_page(s, list);
	offerset_add_page(s, list); /* the same page again: everything is there twice */
	for (size_t i = 0; i < offerset_count(s); i++) {
		const struct offer *o = offerset_at(s, i);

		buf_reset(&b);
		offer_put(&b, kind, o);
		must(json_check(buf_str(&b), true, &e));
		if (kind == OFFER_PROMPT)
			continue;
		buf_reset(&own);
		must(uri_unwrap(o->listed, &server, &own));
		must(str_eq(server, STR("srv")) && str_eq(buf_str(&own), o->name));
	}
	buf_fini(&b);
	buf_fini(&own);
	offerset_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_trim((struct str){ (const char *)data, size });
	struct buf b;
	struct err e;

	log_setup(LOG_LEVEL_ERROR, false);
	if (!json_check(text, false, &e))
		return 0;
	if (json_kind(text) == JSON_ARRAY) {
		set_check(OFFER_PROMPT, text);
		set_check(OFFER_RESOURCE, text);
		set_check(OFFER_TEMPLATE, text);
	} else if (json_kind(text) == JSON_OBJECT) {
		buf_init(&b, 0);
		uri_wrap_result(&b, STR("srv"), text);
		must(json_check(buf_str(&b), false, &e));
		buf_fini(&b);
	}
	return 0;
}
