/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - whatever bytes come, both readers agree: what json_check() accepts, the iterators walk
 * without leaving the document, and json_fields() accepts every accepted object.
 */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
walk(struct str raw, int depth)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 1;

	if (depth > JSON_DEPTH_MAX || !json_open(raw, &it))
		return n;
	while (json_next(&it, &key, &v)) {
		ASSERT(v.p >= raw.p && v.p + v.n <= raw.p + raw.n);
		n += walk(v, depth + 1);
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str doc = { (const char *)data, size };
	struct json_field f[] = { { .name = STR("model") }, { .name = STR("a") } };
	struct arena a;
	struct str s;
	struct err e;

	if (json_check(doc, true, &e)) {
		while (doc.n > 0 && (doc.p[0] == ' ' || doc.p[0] == '\n' || doc.p[0] == '\r' ||
					doc.p[0] == '\t')) {
			doc.p++;
			doc.n--;
		}
		(void)walk(doc, 0);
		if (json_kind(doc) == JSON_OBJECT)
			ASSERT(json_fields(doc, f, COUNT(f), &e));
		arena_init(&a, size + 65536);
		(void)json_string(doc, &a, &s);
		arena_free(&a);
	} else {
		(void)json_fields(doc, f, COUNT(f), &e);
	}
	return 0;
}
