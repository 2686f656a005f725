/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosted - the tools in a request that the provider would run itself.
 *
 *   tools: [{ type: web_search_20250305 }]  -> web_search
 *   mcp_servers: [{ url: https://HOST/… }]  -> mcp/HOST
 *
 * Such a tool never comes back to the hub, so it is judged here, on spans of the body, before
 * anything leaves.  A type that is not known is taken for one that the provider runs: what is new
 * tomorrow is refused until somebody grants it.  A tool that the client runs (no type, "custom",
 * bash, …) is judged when it is called, if it is ours at all.  Tool search only chooses among the
 * tools of the same request, and a toolset only among the servers of the same request, which are
 * judged themselves.
 */
#include "gateway/hosted.h"

#include "base/json.h"
#include "base/url.h"
#include "gateway/dialect.h"

#define TYPE_BYTES    64
#define DATE_BYTES    9     /* "_20250305" */
#define SCRATCH_BYTES 65536 /* for names written with escapes, which nobody needs */

void
hosted_begin(struct hosted_reading *r, struct arena *kept, struct hosted *out)
{
	r->kept = kept;
	r->out = out;
	out->n = 0;
	arena_init(&r->scratch, SCRATCH_BYTES);
}

void
hosted_end(struct hosted_reading *r)
{
	arena_free(&r->scratch);
}

/* "web_search_20250305" is web_search, whatever its date. */
static struct str
without_date(struct str type)
{
	if (type.n <= DATE_BYTES || type.p[type.n - DATE_BYTES] != '_')
		return type;
	for (size_t i = type.n - DATE_BYTES + 1; i < type.n; i++)
		if (type.p[i] < '0' || type.p[i] > '9')
			return type;
	return (struct str){ type.p, type.n - DATE_BYTES };
}

static bool
is_harmless(struct str tool)
{
	static const struct str names[] = { STR("custom"), STR("bash"), STR("text_editor"),
		STR("computer"), STR("memory"), STR("tool_search_tool_regex"),
		STR("tool_search_tool_bm25"), STR("mcp_toolset") };

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(tool, names[i]))
			return true;
	return false;
}

bool
hosted_add(struct hosted_reading *r, struct str name, struct err *e)
{
	struct hosted *h = r->out;

	for (size_t i = 0; i < h->n; i++)
		if (str_eq(h->name[i], name))
			return true;
	if (h->n == HOSTED_MAX)
		return err_set(e, ERR_INVALID,
		    "the request names more than %d different tools of the provider", HOSTED_MAX);
	h->name[h->n++] = arena_str(r->kept, name);
	return true;
}

/* Nothing else can be granted or denied. */
bool
hosted_name_sane(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
			s.p[i] == '_' || s.p[i] == '-' || s.p[i] == '.'))
			return false;
	return s.n > 0 && s.n <= TYPE_BYTES;
}

bool
hosted_type(struct hosted_reading *r, struct str raw, const char *list, size_t at, struct str *out,
    struct err *e)
{
	return (json_string(raw, &r->scratch, out) && hosted_name_sane(*out)) ||
	       err_set(e, ERR_INVALID,
		   "%s[%zu].type is no name (1 to %d of a-z, 0-9, \"_\", \"-\", \".\")", list, at,
		   TYPE_BYTES);
}

static bool
tool_read(struct hosted_reading *r, struct str tool, size_t at, struct err *e)
{
	struct json_field f[] = { { .name = STR("type") } };
	struct err why;
	struct str type;

	if (!asked_fields(tool, f, COUNT(f), &why))
		return err_set(e, ERR_INVALID, "tools[%zu]: %s", at, why.text);
	if (f[0].raw.p == NULL || json_kind(f[0].raw) == JSON_NULL)
		return true;
	if (!hosted_type(r, f[0].raw, "tools", at, &type, e))
		return false;
	type = without_date(type);
	return is_harmless(type) || hosted_add(r, type, e);
}

/* Lower case and without the dot of the root, so that one host has one name. */
static void
host_put(struct buf *out, struct str host)
{
	if (host.p[host.n - 1] == '.')
		host.n--;
	buf_puts(out, "mcp/");
	for (size_t i = 0; i < host.n; i++)
		buf_putc(
		    out, host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] + 32) : host.p[i]);
}

bool
hosted_host(struct hosted_reading *r, struct str raw, struct buf *name)
{
	struct str text;
	struct url url;

	if (raw.p == NULL || !json_string(raw, &r->scratch, &text) || !url_parse(text, &url))
		return false;
	host_put(name, url.host);
	return true;
}

static bool
server_read(struct hosted_reading *r, struct str server, size_t at, struct err *e)
{
	struct json_field f[] = { { .name = STR("url") } };
	struct buf name;
	struct err why;
	bool ok;

	if (!asked_fields(server, f, COUNT(f), &why))
		return err_set(e, ERR_INVALID, "mcp_servers[%zu]: %s", at, why.text);
	buf_init(&name, 0);
	ok = hosted_host(r, f[0].raw, &name)
		 ? hosted_add(r, buf_str(&name), e)
		 : err_set(e, ERR_INVALID,
		       "mcp_servers[%zu].url is not an http(s) URL without user and password", at);
	buf_fini(&name);
	return ok;
}

bool
hosted_each(
    struct hosted_reading *r, struct str list, const char *name, hosted_item_f *fn, struct err *e)
{
	struct json_iter it;
	struct str key, item;
	struct err why;

	if (list.p == NULL || json_kind(list) == JSON_NULL)
		return true;
	if (json_kind(list) != JSON_ARRAY)
		return err_set(e, ERR_INVALID, "\"%s\" is not a list", name);
	if (!json_check(list, false, &why))
		return err_set(e, ERR_INVALID, "\"%s\": %s", name, why.text);
	(void)json_open(list, &it);
	for (size_t at = 0; json_next(&it, &key, &item); at++)
		if (!fn(r, item, at, e))
			return false;
	return true;
}

bool
hosted_read(struct arena *a, struct str tools, struct str mcp_servers, struct str messages,
    struct hosted *out, struct err *e)
{
	struct hosted_reading r;
	bool ok;

	hosted_begin(&r, a, out);
	ok = hosted_each(&r, tools, "tools", tool_read, e) &&
	     hosted_each(&r, mcp_servers, "mcp_servers", server_read, e) &&
	     hosted_files(&r, messages, "messages", e);
	hosted_end(&r);
	return ok;
}
