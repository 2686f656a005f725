/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any body as a model's request: what is read of its tools is a name that a pattern can be meant
 * for, each once.
 */
#include <stdlib.h>

#include "base/json.h"
#include "gateway/hosted.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
name_check(struct str name)
{
	must(name.n > 0);
	for (size_t i = 0; i < name.n; i++)
		must((unsigned char)name.p[i] > ' ' && (unsigned char)name.p[i] < 0x7f &&
		     (name.p[i] < 'A' || name.p[i] > 'Z') && name.p[i] != '\\' && name.p[i] != '@');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_field f[] = { { .name = STR("tools") }, { .name = STR("mcp_servers") },
		{ .name = STR("messages") } };
	struct str body = { (const char *)data, size };
	struct hosted h;
	struct arena a;
	struct err e;

	arena_init(&a, HOSTED_MAX * 272); /* what an exchange has to spare */
	if (json_fields(body, f, COUNT(f), &e) &&
	    hosted_read(&a, f[0].raw, f[1].raw, f[2].raw, &h, &e)) {
		must(h.n <= HOSTED_MAX);
		for (size_t i = 0; i < h.n; i++) {
			name_check(h.name[i]);
			for (size_t k = 0; k < i; k++)
				must(!str_eq(h.name[i], h.name[k]));
		}
	}
	arena_free(&a);
	return 0;
}
