/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_litellm - a LiteLLM proxy's config.yaml.
 *
 * There, whoever has a key may use every model, so the models are granted to everybody; keys, teams
 * and what they may call stand in its database, so tool servers are granted only where the file
 * says allow_all_keys.  A model_name is an alias of ours unless it is the model's own id.
 */
#include <string.h>

#include "gateway/import.h"

/* "anthropic/claude-x" -> kind "anthropic", id "claude-x"; a bare id names its maker. */
static struct str
split_model(struct str model, struct str *id)
{
	struct str rest = model, kind = str_cut(&rest, '/');

	*id = model;
	if (rest.p != NULL && rest.n > 0) {
		*id = rest;
		return kind;
	}
	if (str_starts(model, STR("claude")))
		return STR("anthropic");
	if (str_starts(model, STR("gpt-")) || str_starts(model, STR("o1")) ||
	    str_starts(model, STR("o3")) || str_starts(model, STR("o4")))
		return STR("openai");
	return str_starts(model, STR("gemini")) ? STR("gemini") : STR("other");
}

/* The origin: our providers add the path themselves. */
static bool
base_url(struct import *im, const struct yaml *at, struct str url, struct str *out)
{
	static const struct str ends[] = { STR("/"), STR("/messages"), STR("/v1"), STR("/v1beta") };

	for (size_t i = 0; i < 2 * COUNT(ends); i++)
		if (str_ends(url, ends[i % COUNT(ends)]))
			url.n -= ends[i % COUNT(ends)].n;
	*out = url;
	if (import_harmless(STR(""), url) && url.n > 8 && url.p[0] == 'h' &&
	    memchr(url.p, ' ', url.n) == NULL && !str_ends(url, STR(":/")))
		return true;
	import_note(im, NOTE_LEFT, at, STR("api_base"),
	    "a provider's url is plain http or https (write it under providers:)");
	return false;
}

static void
models_of(struct import *im, const struct yaml *at, struct str id, struct str provider,
    const struct import_kind *kind)
{
	struct str rest = str_of(kind->models);

	if (!str_eq(id, STR("*"))) {
		if (import_model(im, at, id, provider))
			import_allow(im, im->everybody, "model:", id);
		return;
	}
	while (rest.p != NULL) {
		struct str one = str_cut(&rest, ' ');

		if (import_model(im, at, one, provider))
			import_allow(im, im->everybody, "model:", one);
	}
}

static void
model_read(struct import *im, struct yaml *entry)
{
	struct yaml *params = yaml_get(entry, "litellm_params");
	struct str name = import_text(entry, "model_name"), id, url, key, kind_name;
	struct str base = import_text(params, "api_base"), value = import_text(params, "api_key");
	const struct import_kind *kind;
	struct str provider;

	kind_name = split_model(import_text(params, "model"), &id);
	if (import_text(params, "custom_llm_provider").n > 0)
		kind_name = import_text(params, "custom_llm_provider");
	kind = import_kind(kind_name);
	if (kind == NULL || !import_pattern_ok(id) || !import_pattern_ok(name)) {
		import_note(im, NOTE_LEFT, entry, import_shown(im, name),
		    kind == NULL ? "this gateway does not speak to " STR_FMT " yet"
				 : "its name has a character that no rule can say (" STR_FMT ")",
		    STR_ARG(import_shown(im, kind_name)));
		import_take(entry);
		return;
	}
	url = str_of(kind->url);
	if (base.n == 0)
		base = import_text(params, "base_url");
	if (base.n > 0 && !base_url(im, entry, base, &url)) {
		import_take(entry);
		return;
	}
	key = value.n > 0 ? import_value(im, entry, STR(""), str_of(kind->key), value, false)
			  : arena_printf(&im->arena, "env:%s", kind->key);
	if (value.n == 0)
		import_var_named(im, str_of(kind->key), str_of(kind->ours));
	provider = import_provider(im, str_of(kind->ours), arena_str(&im->arena, url), key);
	if (provider.n == 0)
		return;
	models_of(im, entry, id, provider, kind);
	if (str_has(name, '*')) {
		if (!str_eq(name, id))
			import_note(im, NOTE_CHANGED, entry, name,
			    "clients ask for the models themselves, with no provider before them");
		return;
	}
	if (import_alias(im, entry, name, str_has(id, '*') ? name : id) && import_served(im, name))
		import_allow(im, im->everybody, "model:", name);
}

/* ---- tools ---- */

static void
auth_read(struct import *im, struct yaml *s, struct import_draft *d)
{
	struct str type = import_text(s, "auth_type");
	struct yaml *value = yaml_get(s, "auth_value");

	if (value == NULL)
		value = yaml_get(s, "authentication_token");
	d->auth_value = value != NULL ? value->text : STR("");
	d->oauth = str_eq(type, STR("oauth2"));
	if (type.n == 0 || str_eq(type, STR("none")) || d->oauth)
		return;
	if (d->auth_value.n == 0) {
		import_note(im, NOTE_LEFT, s, type,
		    "what each client sends is not passed on (give a header, or oauth)");
	} else if (str_eq(type, STR("bearer_token")) || str_eq(type, STR("token"))) {
		d->auth_header = STR("Authorization");
		d->auth_scheme = type.n == 5 ? STR("token ") : STR("Bearer ");
	} else if (str_eq(type, STR("api_key"))) {
		d->auth_header = STR("X-API-Key");
	} else if (str_eq(type, STR("authorization"))) {
		d->auth_header = STR("Authorization");
	} else {
		import_note(im, NOTE_LEFT, s, import_shown(im, type),
		    "this way to authenticate is not known (write headers:)");
	}
}

/* Some of its tools, or all. */
static void
tools_allow(struct import *im, struct str server, struct yaml *tools)
{
	if (tools == NULL || tools->kind != YAML_LIST || tools->n == 0)
		import_allow(
		    im, im->everybody, "", arena_printf(&im->arena, STR_FMT "/*", STR_ARG(server)));
	else
		for (struct yaml *t = tools->kids; t != NULL; t = t->next)
			if (import_pattern_ok(t->text))
				import_allow(im, im->everybody, "",
				    arena_printf(&im->arena, STR_FMT "/" STR_FMT, STR_ARG(server),
					STR_ARG(t->text)));
			else
				import_note(im, NOTE_LEFT, t, import_shown(im, t->text),
				    "no rule can say this name");
}

static void
tools_deny(struct import *im, struct str server, struct yaml *tools)
{
	import_take(tools);
	for (struct yaml *t = tools == NULL ? NULL : tools->kids; t != NULL; t = t->next)
		if (import_pattern_ok(t->text))
			import_deny(im, "",
			    arena_printf(&im->arena, STR_FMT "/" STR_FMT, STR_ARG(server),
				STR_ARG(t->text)));
		else
			import_note(im, NOTE_LEFT, t, import_shown(im, t->text),
			    "no rule can say this name: it is not forbidden here");
}

static void
server_read(struct import *im, struct yaml *s)
{
	struct import_draft d = { .at = s,
		.name = s->key,
		.type = import_text(s, "transport"),
		.url = import_text(s, "url"),
		.command = import_text(s, "command"),
		.cwd = import_text(s, "cwd"),
		.args = yaml_get(s, "args"),
		.env = yaml_get(s, "env"),
		.headers = yaml_get(s, "static_headers"),
		.client_id = STR("") };
	struct yaml *tools = yaml_get(s, "allowed_tools"), *not = yaml_get(s, "disallowed_tools");
	struct str name;

	s->used = true;
	import_take(tools);
	import_take(yaml_get(s, "description"));
	if (import_text(s, "spec_path").n > 0) {
		import_note(im, NOTE_LEFT, s, import_shown(im, s->key),
		    "an API's document: write openapi: and url: for it");
		import_take(s);
		return;
	}
	auth_read(im, s, &d);
	if (d.headers == NULL)
		d.headers = yaml_get(s, "headers");
	name = import_draft(im, &d);
	if (name.n == 0)
		return;
	tools_deny(im, name, not );
	if (import_flag(s, "allow_all_keys", false))
		tools_allow(im, name, tools);
	else
		import_note(im, NOTE_CHANGED, s, name,
		    "who may call it stood in a database: no rule allows it yet");
}

/* ---- budgets and teams ---- */

static void
settings_read(struct import *im, struct yaml *settings)
{
	struct import_level *all = im->everybody, *team;
	struct yaml *teams = yaml_get(settings, "default_team_settings");
	struct yaml *budget = yaml_get(settings, "max_budget");

	if (budget == NULL && (teams == NULL || teams->kind != YAML_LIST))
		return;
	if (budget != NULL)
		import_budget(im, all, budget, import_text(settings, "budget_duration"));
	for (struct yaml *t = teams == NULL ? NULL : teams->kids; t != NULL; t = t->next) {
		struct str id = import_text(t, "team_id");

		team = id.n == 0 ? NULL : import_level(im, all, id, id);
		budget = yaml_get(t, "max_budget");
		if (team != NULL && budget != NULL)
			import_budget(im, team, budget, import_text(t, "budget_duration"));
	}
}

void
import_litellm(struct import *im, struct yaml *root)
{
	struct yaml *list = yaml_get(root, "model_list"), *servers, *router, *aliases;

	for (struct yaml *m = list == NULL ? NULL : list->kids; m != NULL; m = m->next)
		if (m->kind == YAML_MAP)
			model_read(im, m);
	servers = yaml_get(root, "mcp_servers");
	for (struct yaml *s = servers == NULL ? NULL : servers->kids; s != NULL; s = s->next)
		if (s->kind == YAML_MAP && s->key.n > 0)
			server_read(im, s);
	settings_read(im, yaml_get(root, "litellm_settings"));
	(void)yaml_get(root, "general_settings");
	router = yaml_get(root, "router_settings");
	aliases = yaml_get(router, "model_group_alias");
	for (struct yaml *a = aliases == NULL ? NULL : aliases->kids; a != NULL; a = a->next) {
		struct str model = a->text;

		/* It may stand for another name of ours. */
		for (struct import_pair *p = im->aliases; p != NULL; p = p->next)
			if (str_eq(p->name, model))
				model = p->value;
		for (struct import_pair *p = im->models; p != NULL; p = p->next)
			if (a->kind == YAML_SCALAR && str_star(p->name, model) &&
			    import_pattern_ok(a->key)) {
				if (import_alias(im, a, a->key, model))
					import_allow(im, im->everybody, "model:", a->key);
				a->used = true;
				break;
			}
	}
}
