/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - what operators ask and change of a gateway, as JSON.
 *
 * One function per route, those of keys in admin_keys.c.  Every change goes through policies/,
 * which writes its audit row with the actor's name; nothing here touches a policy file.
 */
#include "gateway/admin_work.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "gateway/webhook.h"

struct str
work_text(struct work *w, const char *name)
{
	return json_text(w->r->body, name, &w->a);
}

static bool
budget_grant(struct work *w)
{
	struct grant_spec s = { .level = work_text(w, "level"), .reason = work_text(w, "reason") };
	struct str raw;

	if (!usd_parse(work_text(w, "usd"), &s.nusd))
		s.nusd = 0; /* grants_make() says what is wanted */
	if (json_get(w->r->body, STR("until_ns"), &raw) && !json_i64(raw, &s.until_ns))
		return err_set(w->e, ERR_INVALID, "until_ns is a time in nanoseconds");
	return grants_make(w->r->core, &s, w->r->actor, w->out, w->e);
}

static bool
budget_grants(struct work *w)
{
	grants_json(w->r->core, w->out);
	return true;
}

static bool
budget_revoke(struct work *w)
{
	if (!grants_end(w->r->core, work_text(w, "id"), w->r->actor, w->e))
		return false;
	buf_puts(w->out, "{\"ended\":true}");
	return true;
}

/* Also the answer to what control.c has answered before it comes here, where a gateway runs. */
static bool
no_gateway(struct work *w)
{
	return err_set(w->e, ERR_STORE, "no gateway runs for this config (tollgate run)");
}

struct listing {
	struct work *w;
	struct key *k;
	bool first;
};

static void
tool_put(void *ctx, const struct tool *t)
{
	struct listing *l = ctx;
	struct buf why;

	buf_init(&why, 0);
	if (!l->first)
		buf_putc(l->w->out, ',');
	l->first = false;
	buf_puts(l->w->out, "{\"tool\":");
	buf_json_str(l->w->out, t->policy_name);
	buf_puts(l->w->out, ",\"listed_name\":");
	buf_json_str(l->w->out, t->listed_name);
	buf_printf(l->w->out, ",\"pin\":\"%s\"", tool_pin_word(t->pin));
	if (l->k != NULL) {
		rules_why(l->w->r->core, l->k, ASK_TOOL, t->policy_name, &why);
		buf_printf(l->w->out, ",\"allowed\":%s,\"why\":",
		    rules_may_list(l->w->r->core, l->k, STR(""), ASK_TOOL, t->policy_name)
			? "true"
			: "false");
		buf_json_str(l->w->out, buf_str(&why));
	}
	buf_putc(l->w->out, '}');
	buf_fini(&why);
}

/* Of a key, `lua` stands with its tools: it comes with another, which is `tools`. */
static void
scripts_put(struct listing *l)
{
	struct code_offer o;
	struct buf why;

	buf_init(&why, 0);
	hub_code_offer(l->w->r->hub, l->k, NULL, &o);
	rules_why(l->w->r->core, l->k, ASK_RUN, STR("run"), &why);
	buf_puts(&why, "; ");
	code_offer_put(&o, &why);
	buf_printf(l->w->out,
	    "%s{\"tool\":\"lua\",\"listed_name\":\"lua\",\"pin\":\"free\",\"allowed\":%s,"
	    "\"code_mode\":\"%s\",\"why\":",
	    l->first ? "" : ",", o.scripts ? "true" : "false", code_mode_word(o.mode));
	buf_json_str(l->w->out, buf_str(&why));
	buf_putc(l->w->out, '}');
	buf_fini(&why);
}

static bool
tools(struct work *w)
{
	struct str name = query_get(w->r->query, STR("key"), &w->a);
	struct listing l = { .w = w, .first = true };

	if (name.n > 0 && (l.k = key_wanted(w, name)) == NULL)
		return false;
	buf_putc(w->out, '[');
	hub_all_tools(w->r->hub, tool_put, &l);
	if (l.k != NULL)
		scripts_put(&l);
	buf_putc(w->out, ']');
	return true;
}

static bool
servers(struct work *w)
{
	hub_servers_json(w->r->hub, w->out);
	return true;
}

/* What every server lists itself; `tollgate lock` compares it with mcp.lock. */
static bool
lock_seen(struct work *w)
{
	hub_seen_json(w->r->hub, w->out);
	return true;
}

/* {"approved":["server/tool"],"dropped":[…],"by":…}: somebody has changed mcp.lock; a row for each.
 */
static bool
lock_note(struct work *w)
{
	static const char *const lists[] = { "approved", "dropped" };
	struct str list, key, one, name, by = work_text(w, "by");
	struct json_iter it;
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(lists); i++) {
		if (!json_get(w->r->body, str_of(lists[i]), &list) ||
		    json_kind(list) != JSON_ARRAY || !json_open(list, &it))
			continue;
		while (json_next(&it, &key, &one)) {
			if (!json_string(one, &w->a, &name))
				continue;
			buf_reset(&b);
			buf_printf(&b, "lock.%s " STR_FMT " by " STR_FMT,
			    i == 0 ? "approve" : "drop", STR_ARG(str_clip(name, 200)),
			    STR_ARG(str_clip(by, 100)));
			event_note(w->r->core, w->r->actor, buf_cstr(&b), NULL);
		}
	}
	buf_fini(&b);
	buf_puts(w->out, "{}");
	return true;
}

#define DECISIONS_PATH "/admin/api/decisions/" /* ID */

static bool
decision_show(struct work *w)
{
	const size_t skip = sizeof(DECISIONS_PATH) - 1;
	const struct str id = { w->r->path.p + skip, w->r->path.n - skip };

	return core_decision_json(w->r->core, id, w->out) ||
	       err_set(w->e, ERR_NOT_FOUND,
		   "decision \"" STR_FMT
		   "\" is not among the latest (tollgate audit show knows all)",
		   STR_ARG(str_clip(id, 40)));
}

static bool
approvals_list(struct work *w)
{
	struct approval_request *r = NULL;
	bool first = true;

	buf_putc(w->out, '[');
	while ((r = approval_next(w->r->core, r)) != NULL) {
		if (!first)
			buf_putc(w->out, ',');
		first = false;
		approval_json(r, w->out);
	}
	buf_putc(w->out, ']');
	return true;
}

static bool
approvals_answer(struct work *w)
{
	struct approval_answer a = {
		.way = APPROVAL_CLI, .actor = w->r->actor, .key = w->r->key, .operates = true
	};

	return approval_command(w->r->core, STR(""), w->r->body, &a, w->out, w->e);
}

static bool
snippets_list(struct work *w)
{
	struct str name = query_get(w->r->query, STR("key"), &w->a);
	struct key *k = NULL;

	if (name.n > 0 && (k = key_wanted(w, name)) == NULL)
		return false;
	codemode_snippets_json(w->r->codemode, k, w->out);
	return true;
}

/* {"run","name","description"?,"to"?}: the text only; who asks writes the file. */
static bool
snippets_save(struct work *w)
{
	return codemode_run_snippet(w->r->codemode,
	    &(struct saved_ask){ .run = work_text(w, "run"),
		.name = work_text(w, "name"),
		.description = work_text(w, "description"),
		.folder = work_text(w, "to") },
	    w->out, w->e);
}

static bool
reload(struct work *w)
{
	return err_set(w->e, ERR_STORE,
	    "no gateway runs for this config, nothing to reload (tollgate check reads the files)");
}

/* Is it set up right?  The receiver's log says; ours, when it does not take it. */
static bool
webhook_test(struct work *w)
{
	if (w->r->webhook == NULL)
		return err_set(w->e, ERR_UNCONFIGURED,
		    "no webhook is configured (webhooks: of tollgate.yaml), or its url or secret "
		    "is missing");
	if (!webhook_send(w->r->webhook, "test", STR("{}")))
		return err_set(w->e, ERR_OVERLOAD, "too many events wait for the webhook already");
	buf_puts(w->out, "{\"queued\":true}");
	return true;
}

static const struct route {
	const char *method, *path;
	const char *operation; /* as `admin:` rules and the audit name it */
	bool (*answer)(struct work *w);
	bool running; /* only a running gateway knows */
} routes[] = {
	{ "GET", "/admin/api/keys", "key.list", keys_list, false },
	{ "POST", "/admin/api/keys", "key.create", keys_create, false },
	{ "GET", "/admin/api/keys/show", "key.show", keys_show, false },
	{ "POST", "/admin/api/keys/state", "key.state", keys_state, false },
	{ "POST", "/admin/api/keys/rotate", "key.rotate", keys_rotate, false },
	{ "GET", DECISIONS_PATH, "decision.show", decision_show, false },
	{ "GET", "/admin/api/approvals", "approval.list", approvals_list, false },
	{ "POST", "/admin/api/approvals", "approval.answer", approvals_answer, false },
	{ "POST", "/admin/api/keys/budget", "key.budget", keys_budget, false },
	{ "POST", "/admin/api/budget/grant", "budget.grant", budget_grant, false },
	{ "POST", "/admin/api/budget/revoke", "budget.revoke", budget_revoke, false },
	{ "GET", "/admin/api/budget/grants", "budget.list", budget_grants, false },
	{ "GET", "/admin/api/quota", "quota", keys_quota, false },
	{ "GET", "/admin/api/tools", "tools", tools, true },
	{ "GET", "/admin/api/servers", "servers", servers, true },
	{ "POST", "/admin/api/servers/sign-in", "servers.sign-in", no_gateway, false },
	{ "GET", "/admin/api/lock", "lock.seen", lock_seen, true },
	{ "POST", "/admin/api/lock", "lock.approve", lock_note, false },
	{ "POST", "/admin/api/reload", "policies.reload", reload, false },
	{ "POST", "/admin/api/script", "script.run", no_gateway, false },
	{ "GET", "/admin/api/snippets", "snippet.list", snippets_list, true },
	{ "POST", "/admin/api/snippets", "snippet.save", snippets_save, true },
	{ "POST", "/admin/api/sync", "audit.sync", no_gateway, false },
	{ "POST", "/admin/api/webhook/test", "webhook.test", webhook_test, true },
};

static const struct route *
route_of(struct str method, struct str path)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (str_eq(method, str_of(routes[i].method)) &&
		    (str_eq(path, str_of(routes[i].path)) ||
			(str_ends(str_of(routes[i].path), STR("/")) &&
			    str_starts(path, str_of(routes[i].path)))))
			return &routes[i];
	return NULL;
}

/* Is it about an admin token?  Those are a grant of their own: who may make keys for people must
 * not be able to make, or take over, what opens everything. */
static bool
about_token(struct work *w)
{
	struct str raw;
	struct key *k = key_named(w->r->core, work_text(w, "key"));
	struct key_info i = { .admin = false };

	if (k != NULL)
		key_info(k, &i);
	return i.admin || (json_get(w->r->body, STR("admin"), &raw) && str_eq(raw, STR("true")));
}

/* The route of a request that can be looked at; NULL: *e. */
static const struct route *
request_route(const struct admin_request *r, struct err *e)
{
	const struct route *route = route_of(r->method, r->path);

	if (route == NULL)
		(void)err_set(e, ERR_NOT_FOUND, "no such admin route");
	else if (r->body.n > ADMIN_ARENA_BYTES / 4)
		(void)err_set(e, ERR_TOO_LARGE, "the request is too large");
	else if (r->body.n == 0 || json_check(r->body, true, e))
		return route;
	return NULL;
}

bool
admin_operation(const struct admin_request *r, char out[ADMIN_OPERATION_BYTES], struct err *e)
{
	const struct route *route = request_route(r, e);
	struct work w = { .r = r, .e = e };
	const char *name;
	bool token;

	if (route == NULL)
		return false;
	arena_init(&w.a, ADMIN_ARENA_BYTES);
	name = route->operation;
	token = strncmp(name, "key.", 4) == 0 && about_token(&w);
	(void)snprintf(
	    out, ADMIN_OPERATION_BYTES, "%s%s", token ? "token." : "", token ? name + 4 : name);
	arena_free(&w.a);
	return true;
}

bool
admin_answer(const struct admin_request *r, struct buf *out, struct err *e)
{
	const struct route *route = request_route(r, e);
	struct work w = { .r = r, .out = out, .e = e };
	bool ok;

	if (route == NULL)
		return false;
	arena_init(&w.a, ADMIN_ARENA_BYTES);
	ok = route->running && r->hub == NULL ? no_gateway(&w) : route->answer(&w);
	arena_free(&w.a);
	return ok;
}
