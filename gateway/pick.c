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

static struct provider *
elsewhere(const struct provider *p, struct str requested, struct err *e)
{
	static const char *const doors[] = { "", "/anthropic", "/openai", "/genai" };

	(void)err_set(e, ERR_NOT_FOUND, "model \"%.*s\" is not served here (ask for it at %s)",
	    requested.n > 80 ? 80 : (int)requested.n, requested.p, doors[p->kind]);
	return NULL;
}

struct provider *
models_pick(const struct models *m, enum provider_kind kind, struct str requested,
    struct str *resolved, struct err *e)
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
	if (r->provider->kind != kind)
		return elsewhere(r->provider, requested, e);
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
	if (!*first)
		buf_putc(out, ',');
	*first = false;
	x->dialect->model_put(out, id);
}

/* What this key may use of this dialect, ids first, then aliases. */
void
models_list(struct exchange *x)
{
	const struct dialect *d = x->dialect;
	const struct models *m = &x->g->models;
	bool first = true;
	struct buf b;

	if (!exchange_identify(x))
		return;
	buf_init(&b, 0);
	buf_put(&b, d->list_head);
	for (size_t i = 0; i < m->rows_n; i++) {
		struct str id = m->rows[i].pattern;

		if (m->rows[i].provider->kind == d->kind && !str_has(id, '*') &&
		    rules_may_list(x->g->core, x->key, STR(""), ASK_MODEL, id))
			model_put(x, id, &b, &first);
	}
	for (size_t i = 0; i < m->aliases_n; i++) {
		const struct model_row *r = row_find(m, m->aliases[i].model);

		if (r != NULL && r->provider->kind == d->kind &&
		    rules_may_list(x->g->core, x->key, STR(""), ASK_MODEL, m->aliases[i].name) &&
		    rules_may_list(x->g->core, x->key, STR(""), ASK_MODEL, m->aliases[i].model))
			model_put(x, m->aliases[i].name, &b, &first);
	}
	buf_put(&b, d->list_tail);
	exchange_reply(x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}
