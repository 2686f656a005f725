/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick - aliases, then model rows: an exact id before the longest pattern.
 *
 * Only what is listed is served: a row "*" must be there for everything to pass.
 */
#include "gateway/gateway.h"

#define NAMES_MAX 128

static const struct model_row *
row_find(const struct models *m, struct str id)
{
	const struct model_row *best = NULL;

	for (size_t i = 0; i < m->rows_n; i++) {
		const struct model_row *r = &m->rows[i];

		if (str_eq(r->pattern, id))
			return r;
		if (str_has(r->pattern, '*') && str_star(r->pattern, id) &&
		    (best == NULL || r->pattern.n > best->pattern.n))
			best = r;
	}
	return best;
}

static bool
not_found(const struct models *m, struct str requested, struct err *e)
{
	struct str names[NAMES_MAX], near;
	size_t n = 0;
	int shown = requested.n > 80 ? 80 : (int)requested.n;

	for (size_t i = 0; i < m->aliases_n && n < NAMES_MAX; i++)
		names[n++] = m->aliases[i].name;
	for (size_t i = 0; i < m->rows_n && n < NAMES_MAX; i++)
		names[n++] = m->rows[i].pattern;
	near = str_nearest(requested, names, n);
	if (near.n > 0)
		return err_set(e, ERR_NOT_FOUND,
		    "model \"%.*s\" is not served here (did you mean \"" STR_FMT "\"?)", shown,
		    requested.p, STR_ARG(near));
	return err_set(e, ERR_NOT_FOUND, "model \"%.*s\" is not served here (models: lists them)",
	    shown, requested.p);
}

struct provider *
models_pick(const struct models *m, struct str requested, struct str *resolved, struct err *e)
{
	const struct model_row *r;

	*resolved = requested;
	for (size_t i = 0; i < m->aliases_n; i++)
		if (str_eq(m->aliases[i].name, requested))
			*resolved = m->aliases[i].model;
	r = row_find(m, *resolved);
	if (r == NULL) {
		(void)not_found(m, requested, e);
		return NULL;
	}
	if (r->provider->origin == NULL) {
		(void)err_set(e, ERR_UNCONFIGURED,
		    "provider \"" STR_FMT "\" is not usable: " STR_FMT
		    " (set it and restart the gateway)",
		    STR_ARG(r->provider->name), STR_ARG(r->provider->missing));
		return NULL;
	}
	return r->provider;
}

static void
model_put(struct exchange *x, struct str id, struct buf *out, bool *first)
{
	if (str_has(id, '*') || !rules_may_list(x->g->core, x->key, ASK_MODEL, id))
		return;
	if (!*first)
		buf_putc(out, ',');
	*first = false;
	buf_puts(out, "{\"type\":\"model\",\"id\":");
	buf_json_str(out, id);
	buf_puts(out, ",\"display_name\":");
	buf_json_str(out, id);
	buf_puts(out, ",\"created_at\":\"1970-01-01T00:00:00Z\"}");
}

/* Anthropic's list shape: what this key may use, ids first, then aliases. */
void
models_list(struct exchange *x)
{
	const struct models *m = &x->g->models;
	bool first = true;
	struct buf b;

	if (!exchange_identify(x))
		return;
	buf_init(&b, 0);
	buf_puts(&b, "{\"data\":[");
	for (size_t i = 0; i < m->rows_n; i++)
		model_put(x, m->rows[i].pattern, &b, &first);
	for (size_t i = 0; i < m->aliases_n; i++)
		if (rules_may_list(x->g->core, x->key, ASK_MODEL, m->aliases[i].model))
			model_put(x, m->aliases[i].name, &b, &first);
	buf_puts(&b, "],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
	exchange_reply(x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}
