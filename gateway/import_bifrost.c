/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_bifrost - Bifrost's config.json.
 *
 * A virtual key becomes a user of its team with a policy of its own, because budgets, limits and
 * grants stand on users here and a key is made for one; its value is not taken over.  Where the
 * file has virtual keys, nothing is granted to everybody: what a call without a key could do there,
 * none can do here.  A key without a team stands in a team "keys", of its customer or of customer
 * "keys".
 */
#include <string.h>

#include "gateway/import.h"

#define SERVERS_MAX SETTINGS_SERVERS_MAX

struct client {
	struct str theirs, id, ours;
	struct yaml *tools; /* tools_to_execute */
	bool everybody;     /* allow_on_all_virtual_keys */
};
struct bifrost {
	struct import *im;
	struct yaml *governance, *providers;
	struct client clients[SERVERS_MAX];
	size_t clients_n;
	bool keys; /* there are virtual keys, or calls need one */
};

/* The member of a list whose `member` is `id`. */
static struct yaml *
by_id(struct yaml *list, const char *member, struct str id)
{
	for (struct yaml *y = list == NULL || id.n == 0 ? NULL : list->kids; y != NULL; y = y->next)
		if (str_eq(import_text(y, member), id)) {
			y->used = true;
			return y;
		}
	return NULL;
}

/* ---- providers ---- */

/* Every model of a list, "*" and an empty list being the kind's usual ones. */
static void
models_each(struct bifrost *b, const struct yaml *at, const struct import_kind *kind,
    struct yaml *list, void (*each)(struct bifrost *, const struct yaml *, struct str, void *),
    void *ctx)
{
	struct str rest = str_of(kind->models);
	bool all = list == NULL || list->n == 0;

	for (struct yaml *m = list == NULL ? NULL : list->kids; m != NULL; m = m->next) {
		m->used = true;
		if (str_eq(m->text, STR("*")))
			all = true;
		else if (import_pattern_ok(m->text))
			each(b, m, m->text, ctx);
		else
			import_note(b->im, NOTE_LEFT, m, import_shown(b->im, m->text),
			    "no rule can say this name");
	}
	while (all && rest.p != NULL)
		each(b, at, str_cut(&rest, ' '), ctx);
}

static void
model_add(struct bifrost *b, const struct yaml *at, struct str id, void *provider)
{
	if (import_model(b->im, at, id, *(struct str *)provider) && !b->keys)
		import_allow(b->im, b->im->everybody, "model:", id);
}

/* What the source forbids by name stays forbidden, whoever is granted more. */
static void
deny_each(struct bifrost *b, const char *prefix, struct yaml *list)
{
	import_take(list);
	for (struct yaml *m = list == NULL ? NULL : list->kids; m != NULL; m = m->next)
		if (!import_pattern_ok(m->text))
			import_note(b->im, NOTE_LEFT, m, import_shown(b->im, m->text),
			    "no rule can say this name: it is not forbidden here");
		else if (!str_eq(str_of(prefix), STR("model:")) || import_served(b->im, m->text))
			import_deny(b->im, prefix, m->text);
}

static void
key_read(struct bifrost *b, const struct import_kind *kind, struct str url, struct yaml *key)
{
	struct yaml *v = yaml_get(key, "value");
	struct str value = v == NULL             ? STR("")
			   : v->kind == YAML_MAP ? import_text(v, "value")
						 : v->text;
	struct str text, provider;

	(void)yaml_get(key, "name");
	(void)yaml_get(key, "id");
	if (value.n == 0)
		value = arena_printf(&b->im->arena, "env.%s", kind->key);
	text = import_value(b->im, key, STR(""), str_of(kind->key), value, false);
	provider = import_provider(b->im, str_of(kind->ours), url, text);
	if (provider.n == 0)
		return;
	models_each(b, key, kind, yaml_get(key, "models"), model_add, &provider);
	deny_each(b, "model:", yaml_get(key, "blacklisted_models"));
}

static struct str
url_of(struct bifrost *b, struct yaml *p, const struct import_kind *kind)
{
	struct str url = import_text(yaml_get(p, "network_config"), "base_url");

	while (str_ends(url, STR("/")))
		url.n--;
	if (url.n == 0)
		return str_of(kind->url);
	if (import_harmless(STR(""), url) && url.p[0] == 'h' && memchr(url.p, ' ', url.n) == NULL &&
	    !str_ends(url, STR(":")))
		return arena_str(&b->im->arena, url);
	import_note(b->im, NOTE_LEFT, p, STR("base_url"),
	    "a provider's url is plain http or https (write it under providers:)");
	return STR("");
}

static void
provider_read(struct bifrost *b, struct yaml *p)
{
	const struct import_kind *kind = import_kind(p->key);
	struct yaml *keys = yaml_get(p, "keys");
	struct str url;

	p->used = true;
	if (kind == NULL) {
		import_note(b->im, NOTE_LEFT, p, import_shown(b->im, p->key),
		    "this gateway does not speak to that provider yet");
		import_take(p);
		return;
	}
	url = url_of(b, p, kind);
	if (url.n == 0 || keys == NULL || keys->kids == NULL)
		return;
	key_read(b, kind, url, keys->kids);
	for (struct yaml *k = keys->kids->next; k != NULL; k = k->next) {
		import_note(b->im, NOTE_LEFT, k, import_shown(b->im, p->key),
		    "a second key of the same provider");
		import_take(k);
	}
}

/* ---- tools ---- */

static void
client_read(struct bifrost *b, struct yaml *s)
{
	struct yaml *stdio = yaml_get(s, "stdio_config"), *url = yaml_get(s, "connection_string");
	struct import_draft d = { .at = s,
		.name = import_text(s, "name"),
		.type = import_text(s, "connection_type"),
		.command = import_text(stdio, "command"),
		.args = yaml_get(stdio, "args"),
		.env = yaml_get(stdio, "env"),
		.names = yaml_get(stdio, "envs"),
		.headers = yaml_get(s, "headers"),
		.cwd = STR(""),
		.client_id = STR("") };
	struct client *c = &b->clients[b->clients_n];
	struct str auth = import_text(s, "auth_type");

	if (url == NULL)
		url = yaml_get(s, "http_url");
	d.url = url == NULL             ? STR("")
		: url->kind == YAML_MAP ? import_text(url, "value")
					: url->text;
	d.oauth = str_eq(auth, STR("oauth")) || str_eq(auth, STR("per_user_oauth"));
	c->theirs = d.name;
	c->id = import_text(s, "id");
	if (c->id.n == 0)
		c->id = import_text(s, "client_id");
	c->tools = yaml_get(s, "tools_to_execute");
	c->everybody = import_flag(s, "allow_on_all_virtual_keys", false);
	import_take(c->tools);
	if (!import_flag(s, "is_enabled", true) || import_flag(s, "disabled", false) ||
	    b->clients_n == SERVERS_MAX - 1) {
		import_note(b->im, NOTE_LEFT, s, import_shown(b->im, d.name), "it is disabled");
		import_take(s);
		return;
	}
	c->ours = import_draft(b->im, &d);
	if (c->ours.n == 0)
		return;
	b->clients_n++;
	deny_each(b, arena_printf(&b->im->arena, STR_FMT "/", STR_ARG(c->ours)).p,
	    yaml_get(s, "tools_to_skip"));
}

/* A list of tools of a server: ["*"] is all, none is none. */
static void
tools_allow(struct bifrost *b, struct import_level *whom, const struct client *c,
    struct yaml *tools, struct yaml *within)
{
	for (struct yaml *t = tools == NULL ? NULL : tools->kids; t != NULL; t = t->next)
		if (str_eq(t->text, STR("*")) && within != NULL)
			tools = within;
	for (struct yaml *t = tools == NULL ? NULL : tools->kids; t != NULL; t = t->next) {
		bool in = within == NULL || within == tools;

		for (struct yaml *w = in ? NULL : within->kids; w != NULL; w = w->next)
			in = in || str_eq(w->text, STR("*")) || str_eq(w->text, t->text);
		if (!in)
			import_note(b->im, NOTE_LEFT, t, import_shown(b->im, t->text),
			    "the server itself does not offer it");
		else if (import_pattern_ok(t->text))
			import_allow(b->im, whom, "",
			    arena_printf(&b->im->arena, STR_FMT "/" STR_FMT, STR_ARG(c->ours),
				STR_ARG(t->text)));
		else
			import_note(b->im, NOTE_LEFT, t, import_shown(b->im, t->text),
			    "no rule can say this name");
	}
}

/* ---- governance ---- */

static const char *
span_word(struct str every)
{
	static const struct {
		const char *every, *word;
	} rows[] = { { "1s", "second" }, { "1m", "minute" }, { "60s", "minute" }, { "1h", "hour" },
		{ "60m", "hour" }, { "1d", "day" }, { "24h", "day" } };

	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(every, str_of(rows[i].every)))
			return rows[i].word;
	return NULL;
}

static void
limit_part(struct bifrost *b, struct import_level *l, struct yaml *rate, const char *member,
    const char *every, const char *ours)
{
	struct yaml *amount = yaml_get(rate, member);
	struct str span = import_text(rate, every);
	const char *word = span_word(span);
	int64_t n;

	if (amount == NULL || amount->kind != YAML_SCALAR)
		return;
	if (!str_i64(amount->text, &n) || n < 1 || n > 1000000000 || word == NULL) {
		import_note(b->im, NOTE_LEFT, amount, l->name,
		    "a limit is so many in a second, minute, hour or day");
		return;
	}
	l->limit = arena_printf(&b->im->arena, STR_FMT "%s%s: %lld/%s", STR_ARG(l->limit),
	    l->limit.n > 0 ? ", " : "", ours, (long long)n, word);
}

static void
limit_read(struct bifrost *b, struct import_level *l, struct yaml *owner)
{
	struct yaml *rate = yaml_get(owner, "rate_limit");

	if (rate == NULL)
		rate = by_id(yaml_get(b->governance, "rate_limits"), "id",
		    import_text(owner, "rate_limit_id"));
	if (rate == NULL || l->limit.n > 0)
		return;
	(void)yaml_get(rate, "id");
	limit_part(b, l, rate, "request_max_limit", "request_reset_duration", "requests");
	limit_part(b, l, rate, "token_max_limit", "token_reset_duration", "tokens");
}

static void
budget_one(struct bifrost *b, struct import_level *l, struct yaml *budget)
{
	struct yaml *amount = budget == NULL ? NULL : yaml_get(budget, "max_limit");

	if (amount == NULL)
		return;
	budget->used = true;
	(void)yaml_get(budget, "id");
	import_budget(b->im, l, amount, import_text(budget, "reset_duration"));
}

/* Named by the owner, standing in it, or naming the owner. */
static void
budgets_read(struct bifrost *b, struct import_level *l, struct yaml *owner, const char *named_by)
{
	struct yaml *all = yaml_get(b->governance, "budgets"), *own = yaml_get(owner, "budgets");
	struct str id = import_text(owner, "id");

	budget_one(b, l, yaml_get(owner, "budget"));
	budget_one(b, l, by_id(all, "id", import_text(owner, "budget_id")));
	for (struct yaml *y = own == NULL ? NULL : own->kids; y != NULL; y = y->next)
		budget_one(b, l, y);
	for (struct yaml *y = all == NULL || id.n == 0 ? NULL : all->kids; y != NULL; y = y->next)
		if (str_eq(import_text(y, named_by), id))
			budget_one(b, l, y);
}

static struct import_level *
customer_of(struct bifrost *b, struct str id)
{
	struct yaml *c = by_id(yaml_get(b->governance, "customers"), "id", id);

	if (c == NULL)
		return import_level(b->im, &b->im->root, STR("keys"), STR(""));
	return import_level(
	    b->im, &b->im->root, import_text(c, "name").n > 0 ? import_text(c, "name") : id, id);
}

static struct import_level *
team_of(struct bifrost *b, struct str id, struct str customer)
{
	struct yaml *t = by_id(yaml_get(b->governance, "teams"), "id", id);
	struct import_level *above;

	above = customer_of(b, t == NULL ? customer : import_text(t, "customer_id"));
	if (above == NULL || t == NULL)
		return above == NULL ? NULL : import_level(b->im, above, STR("keys"), STR(""));
	return import_level(
	    b->im, above, import_text(t, "name").n > 0 ? import_text(t, "name") : id, id);
}

static void
organisation_read(struct bifrost *b)
{
	struct yaml *customers = yaml_get(b->governance, "customers");
	struct yaml *teams = yaml_get(b->governance, "teams");

	for (struct yaml *c = customers == NULL ? NULL : customers->kids; c != NULL; c = c->next) {
		struct import_level *l = customer_of(b, import_text(c, "id"));

		if (l == NULL || l->id.n == 0)
			continue;
		budgets_read(b, l, c, "customer_id");
		limit_read(b, l, c);
	}
	for (struct yaml *t = teams == NULL ? NULL : teams->kids; t != NULL; t = t->next) {
		struct import_level *l = team_of(b, import_text(t, "id"), STR(""));

		if (l == NULL || l->id.n == 0)
			continue;
		budgets_read(b, l, t, "team_id");
		limit_read(b, l, t);
	}
}

/* ---- virtual keys ---- */

static void
model_grant(struct bifrost *b, const struct yaml *at, struct str id, void *user)
{
	if (import_served(b->im, id))
		import_allow(b->im, user, "model:", id);
	else
		import_note(
		    b->im, NOTE_LEFT, at, import_shown(b->im, id), "no provider here serves it");
}

static void
grants_read(struct bifrost *b, struct import_level *user, struct yaml *vk)
{
	struct yaml *providers = yaml_get(vk, "provider_configs"),
		    *mcp = yaml_get(vk, "mcp_configs");

	for (struct yaml *p = providers == NULL ? NULL : providers->kids; p != NULL; p = p->next) {
		const struct import_kind *kind = import_kind(import_text(p, "provider"));
		struct yaml *models = yaml_get(p, "allowed_models");

		if (kind == NULL) {
			import_take(p); /* told once, where the provider stands */
			continue;
		}
		if (models != NULL && models->n > 0)
			models_each(b, p, kind, models, model_grant, user);
		else
			import_note(b->im, NOTE_LEFT, p, import_text(p, "provider"),
			    "allowed_models is empty: no model is granted");
	}
	for (struct yaml *m = mcp == NULL ? NULL : mcp->kids; m != NULL; m = m->next) {
		struct str name = import_text(m, "mcp_client_name");
		struct yaml *tools = yaml_get(m, "tools_to_execute");

		if (name.n == 0)
			name = import_text(m, "mcp_client_id");
		import_take(tools);
		for (size_t i = 0; i < b->clients_n; i++)
			if (str_eq(b->clients[i].theirs, name) || str_eq(b->clients[i].id, name))
				tools_allow(b, user, &b->clients[i], tools, b->clients[i].tools);
	}
}

static void
virtual_key_read(struct bifrost *b, struct yaml *vk)
{
	struct str name = import_text(vk, "name"), id = import_text(vk, "id");
	struct import_level *team, *user;

	if (!import_flag(vk, "is_active", true)) {
		import_note(b->im, NOTE_LEFT, vk, import_shown(b->im, name), "it is not active");
		import_take(vk);
		return;
	}
	team = team_of(b, import_text(vk, "team_id"), import_text(vk, "customer_id"));
	user = team == NULL ? NULL : import_level(b->im, team, name.n > 0 ? name : id, id);
	if (user == NULL) {
		import_note(b->im, NOTE_LEFT, vk, import_shown(b->im, name), "there are too many");
		return;
	}
	(void)yaml_get(vk, "description");
	import_note(b->im, NOTE_CHANGED, vk, import_shown(b->im, name),
	    "this virtual key is user " STR_FMT " of team " STR_FMT " here; its value is not valid",
	    STR_ARG(user->name), STR_ARG(team->name));
	budgets_read(b, user, vk, "virtual_key_id");
	limit_read(b, user, vk);
	grants_read(b, user, vk);
	for (size_t i = 0; i < b->clients_n; i++)
		if (b->clients[i].everybody)
			tools_allow(
			    b, user, &b->clients[i], b->clients[i].tools, b->clients[i].tools);
}

void
import_bifrost(struct import *im, struct yaml *root)
{
	struct bifrost *b = arena_new(&im->arena, struct bifrost);
	struct yaml *providers = yaml_get(root, "providers"), *clients, *keys;
	struct yaml *mcp = yaml_get(root, "mcp"), *client = yaml_get(root, "client");

	b->im = im;
	b->governance = yaml_get(root, "governance");
	keys = yaml_get(b->governance, "virtual_keys");
	b->keys = import_flag(client, "enforce_auth_on_inference", false) ||
		  import_flag(client, "enforce_governance_header", false) ||
		  (keys != NULL && keys->n > 0);
	for (struct yaml *p = providers == NULL ? NULL : providers->kids; p != NULL; p = p->next)
		if (p->kind == YAML_MAP)
			provider_read(b, p);
	clients = yaml_get(mcp, "client_configs");
	for (struct yaml *s = clients == NULL ? NULL : clients->kids; s != NULL; s = s->next)
		if (s->kind == YAML_MAP)
			client_read(b, s);
	for (size_t i = 0; i < b->clients_n; i++)
		if (!b->keys)
			tools_allow(b, im->everybody, &b->clients[i], b->clients[i].tools,
			    b->clients[i].tools);
	organisation_read(b);
	for (struct yaml *vk = keys == NULL ? NULL : keys->kids; vk != NULL; vk = vk->next)
		if (vk->kind == YAML_MAP)
			virtual_key_read(b, vk);
}
