/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosted_genai - the tools in a request to Gemini that Google would run itself.
 *
 *   tools: [{ googleSearch: {} }]        -> google_search
 *   tools: [{ url_context: {} }]         -> url_context
 *
 * A tool is an object whose members say what it is; only functionDeclarations are the request's
 * own.  Protocol buffers in JSON have two spellings of every member, and one object may stand
 * where a list is meant; both are read here as Google reads them, and a name has the spelling with
 * underscores in policies.
 */
#include "gateway/hosted.h"

#include "base/json.h"

/* googleSearch, google_search: "google_search". */
static bool
name_of(struct hosted_reading *r, struct str key_raw, struct buf *out)
{
	struct str key;

	if (!json_string(key_raw, &r->scratch, &key))
		return false;
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] >= 'A' && key.p[i] <= 'Z') {
			if (i > 0)
				buf_putc(out, '_');
			buf_putc(out, (char)(key.p[i] + 32));
		} else {
			buf_putc(out, key.p[i]);
		}
	}
	return hosted_name_sane(buf_str(out));
}

/* Every member is judged, also one that is there twice or null: a parser may take any of them. */
static bool
member_read(struct hosted_reading *r, struct str key, size_t at, struct err *e)
{
	struct buf name;
	bool ok;

	buf_init(&name, 0);
	if (!name_of(r, key, &name))
		ok = err_set(e, ERR_INVALID, "tools[%zu] has a member that is no name", at);
	else
		ok = str_eq(buf_str(&name), STR("function_declarations")) ||
		     hosted_add(r, buf_str(&name), e);
	buf_fini(&name);
	return ok;
}

static bool
tool_read(struct hosted_reading *r, struct str tool, size_t at, struct err *e)
{
	struct json_iter it;
	struct str key, value;

	if (json_kind(tool) != JSON_OBJECT || !json_open(tool, &it))
		return err_set(e, ERR_INVALID, "tools[%zu] is not an object", at);
	while (json_next(&it, &key, &value))
		if (!member_read(r, key, at, e))
			return false;
	return true;
}

bool
hosted_genai_tools(struct hosted_reading *r, struct str tools, struct err *e)
{
	struct err why;

	if (json_kind(tools) != JSON_OBJECT)
		return hosted_each(r, tools, "tools", tool_read, e);
	if (!json_check(tools, false, &why))
		return err_set(e, ERR_INVALID, "\"tools\": %s", why.text);
	return tool_read(r, tools, 0, e);
}
