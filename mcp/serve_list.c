/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_list - tools/list, prompts/list, resources/list, resources/templates/list.
 *
 * All four are pages of the key's view, from memory.  A cursor is sealed for the key and says which
 * list, which generation and where: one that is stale, of another list or made up is refused.
 */
#include <stdio.h>

#include "mcp/pins.h"
#include "mcp/serve.h"
#include "mcp/view.h"

#define PAGE_BYTES_MAX  ((size_t)1 << 20)
#define PAGE_ROWS_MAX   1000
#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define LIST_TTL_MS     5000
#define PINNED_TTL_MS   60000

static const struct list {
	const char *method, *member;
	enum view_list list;
} lists[] = { { "tools/list", "tools", VIEW_TOOLS }, { "prompts/list", "prompts", VIEW_PROMPTS },
	{ "resources/list", "resources", VIEW_RESOURCES },
	{ "resources/templates/list", "resourceTemplates", VIEW_TEMPLATES } };

static void
cursor_put(struct buf *b, struct visit *v, const struct list *l, size_t offset)
{
	struct key_info info;
	char text[64];
	int n = snprintf(text, sizeof(text), "%d:%llu:%zu", l->list,
	    (unsigned long long)v->hub->generation, offset);

	key_info(v->r->key, &info);
	buf_puts(b, ",\"nextCursor\":\"");
	(void)aead_seal(b, v->hub->seal_key, info.id, (struct str){ text, (size_t)n });
	buf_putc(b, '"');
}

static bool
cursor_read(struct visit *v, const struct list *l, struct str raw, size_t *offset)
{
	struct str rest, list, generation;
	int64_t of = 0, g = 0, at = 0;
	struct key_info info;
	struct buf b;
	bool ok;

	key_info(v->r->key, &info);
	buf_init(&b, 256);
	ok = json_kind(raw) == JSON_STRING && raw.n > 2 && raw.n < 300 &&
	     aead_open(&b, v->hub->seal_key, info.id, (struct str){ raw.p + 1, raw.n - 2 }) &&
	     buf_ok(&b);
	rest = buf_str(&b);
	list = ok ? str_cut(&rest, ':') : STR("");
	generation = ok ? str_cut(&rest, ':') : STR("");
	ok = ok && str_i64(list, &of) && str_i64(generation, &g) && rest.p != NULL &&
	     str_i64(rest, &at) && of == (int64_t)l->list && (uint64_t)g == v->hub->generation &&
	     at >= 0;
	if (ok)
		*offset = (size_t)at;
	buf_fini(&b);
	return ok;
}

static void
builtins_put(struct visit *v, struct buf *b, bool any)
{
	for (size_t i = 0; i < v->hub->builtins_n; i++) {
		const struct builtin *bi = &v->hub->builtins[i];

		if (any)
			buf_putc(b, ',');
		bi->define(bi->ctx, v->r->key, v->view, visit_session(v), b);
		any = true;
	}
}

/* A list that only mcp.lock and the policies change can be kept longer: who listens is told when
 * they do, and what is refused by then is refused by the call. */
static int
list_ttl_ms(const struct hub *h, enum view_list list)
{
	for (size_t i = 0; i < h->servers_n; i++)
		if (list != VIEW_TOOLS || !pins_hold(h, &h->servers[i]))
			return LIST_TTL_MS;
	return PINNED_TTL_MS;
}

/* What this visit is to see of the two ways; a client may ask for less, not for more. */
static struct scripts_shown
shown_of(struct visit *v, const struct list *l, const struct view *view)
{
	const struct header *h = http1_find(v->r->head, STR("tollgate-code-mode"));

	if (l->list != VIEW_TOOLS)
		return (struct scripts_shown){ 0 };
	return scripts_shown(v->hub, v->r->key, view, h != NULL ? h->value : STR(""));
}

static void
page_serve(struct visit *v, const struct rpc *m, const struct list *l, size_t first)
{
	const struct view *view = hub_view(v->hub, v->r->key, v->view);
	struct scripts_shown shown = shown_of(v, l, view);
	size_t n = shown.alone ? 0 : view_count(view, l->list), at;
	struct buf b;

	buf_init(&b, REPLY_BYTES_MAX);
	buf_printf(&b, "{\"%s\":[", l->member);
	for (at = first; at < n && at - first < PAGE_ROWS_MAX && b.n < PAGE_BYTES_MAX; at++) {
		if (at > first)
			buf_putc(&b, ',');
		view_put(&b, v->hub, v->r->key, view, l->list, at);
	}
	if (at >= n && shown.scripts)
		builtins_put(v, &b, at > first);
	buf_putc(&b, ']');
	if (at < n)
		cursor_put(&b, v, l, at);
	if (v->era == ERA_MODERN)
		buf_printf(&b,
		    ",\"resultType\":\"complete\",\"ttlMs\":%d,\"cacheScope\":\"private\"",
		    list_ttl_ms(v->hub, l->list));
	buf_putc(&b, '}');
	if (buf_ok(&b))
		reply_result(v, m->id, buf_str(&b));
	else
		reply_error(v, 200, m->id, RPC_SERVER, "the list is too large");
	buf_fini(&b);
}

bool
serve_list(struct visit *v, const struct rpc *m)
{
	struct str cursor;
	size_t at = 0;

	for (size_t i = 0; i < COUNT(lists); i++) {
		if (!rpc_is(m, lists[i].method))
			continue;
		if (json_get(m->params, STR("cursor"), &cursor) &&
		    !cursor_read(v, &lists[i], cursor, &at))
			reply_error(v, v->structural_400 ? 400 : 200, m->id, RPC_PARAMS,
			    "the cursor is stale or not ours; list again without one");
		else
			page_serve(v, m, &lists[i], at);
		return true;
	}
	return false;
}
