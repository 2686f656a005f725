/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any checked JSON as the tools of a server: what is listed must be something that the strictest
 * client takes - valid JSON, keys once, a name of [A-Za-z0-9_-], inputSchema.type "object".
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "mcp/catalog.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
tool_check(const struct tool *t)
{
	struct str v, type;
	struct err e;

	must(json_check(t->definition, true, &e));
	must(json_get(t->definition, STR("name"), &v) && json_string_is(v, t->listed_name));
	must(str_eq(t->listed_name, t->wrapped));
	must(t->listed_name.n > 0 && t->listed_name.n <= 100);
	for (size_t i = 0; i < t->listed_name.n; i++) {
		char c = t->listed_name.p[i];

		must((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		     c == '_' || c == '-');
	}
	must(json_get(t->definition, STR("inputSchema"), &v) && json_get(v, STR("type"), &type) &&
	     json_string_is(type, STR("object")));
	must(str_starts(t->policy_name, STR("srv/")) && t->policy_name.n == t->name.n + 4);
	must(!json_get(t->definition, STR("execution"), &v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct toolset *s;
	struct err e;

	log_setup(LOG_LEVEL_ERROR, false);
	if (!json_check(text, false, &e) || json_kind(str_trim(text)) != JSON_ARRAY)
		return 0;
	s = toolset_new(STR("srv"));
	toolset_add_page(s, text);
	toolset_add_page(s, text); /* the same page again: every name is there twice */
	for (size_t i = 0; i < toolset_count(s); i++) {
		tool_check(toolset_at(s, i));
		for (size_t j = 0; j < i; j++)
			must(!str_eq(toolset_at(s, i)->listed_name, toolset_at(s, j)->listed_name));
	}
	must(toolset_same(s, s));
	toolset_free(&s);
	return 0;
}
