/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosted_files - files that the provider keeps, and a request names.
 *
 *   { type: input_file, file_id: file-… }                    OpenAI; at whatever depth
 *   { type: document, source: { type: file, file_id: … } }   Anthropic
 *   { fileData: { fileUri: https://generativelanguage.googleapis.com/v1beta/files/… } }   Gemini
 *
 * Every key shares the account, so an id may be of somebody else's file; what is in it does not
 * stand in the request.  A file that is fetched from a plain URL is not the provider's.
 *
 * Messages are large and hardly any names a file: only those in which a name could stand, plain or
 * with escapes, are walked.  Where a tool's arguments and results are objects, they are the tool's
 * and may have members of any name.
 */
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "gateway/hosted.h"

static const struct str names[] = { STR("file_id"), STR("fileUri"), STR("file_uri") };

/* A letter that is written as an escape, or a name: false is certain, true is not. */
static bool
may_name(struct str raw)
{
	struct str rest = raw;
	const char *at;

	for (size_t i = 0; i < COUNT(names); i++)
		if (memmem(raw.p, raw.n, names[i].p, names[i].n) != NULL)
			return true;
	while ((at = memmem(rest.p, rest.n, "\\u00", 4)) != NULL) {
		rest = STR_SPAN(at + 4, raw.p + raw.n);
		if (rest.n > 0 && rest.p[0] >= '4' && rest.p[0] <= '7')
			return true;
	}
	return false;
}

static bool
is_one(struct str key, const struct str *of, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (json_key_is(key, of[i]))
			return true;
	return false;
}

/* Not gs:// and not a URL of anybody but Google; its storage holds files of everybody. */
static bool
uri_kept(struct hosted_reading *r, struct str raw)
{
	struct str text, host;
	struct url url;

	if (!json_string(raw, &r->scratch, &text))
		return true;
	if (str_starts(text, STR("gs://")))
		return false;
	if (!url_parse(text, &url))
		return true;
	host = url.host;
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	return host.n >= 14 &&
	       str_ieq((struct str){ host.p + host.n - 14, 14 }, STR("googleapis.com")) &&
	       !str_ieq(host, STR("storage.googleapis.com"));
}

/* No deeper than JSON_DEPTH_MAX: the whole was checked. */
static bool
names_file(struct hosted_reading *r, struct str value)
{
	static const struct str tools_own[] = { STR("input"), STR("arguments"), STR("annotations"),
		STR("args"), STR("response") };
	struct json_iter it;
	struct str key, inner;

	if (!json_open(value, &it))
		return false;
	while (json_next(&it, &key, &inner)) {
		if (json_kind(inner) == JSON_STRING) {
			if (key.n > 0 && is_one(key, names, COUNT(names)) &&
			    (json_key_is(key, names[0]) || uri_kept(r, inner)))
				return true;
		} else if ((key.n == 0 || !is_one(key, tools_own, COUNT(tools_own))) &&
			   names_file(r, inner)) {
			return true;
		}
	}
	return false;
}

bool
hosted_files(struct hosted_reading *r, struct str messages, const char *name, struct err *e)
{
	struct err why;

	if (messages.p == NULL || !may_name(messages))
		return true;
	if (!json_check_lone(messages, &why))
		return err_set(e, ERR_INVALID, "\"%s\": %s", name, why.text);
	return !names_file(r, messages) || hosted_add(r, STR("stored_file"), e);
}
