/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts - the copy of what is known of tools that a bundle keeps.
 *
 * In order of name, so that one is found by halves and the revision does not depend on how they
 * were listed.
 */
#include "policies/facts.h"

#include <stdlib.h>

#include "policies/bundle.h"

#define FACTS_MAX       20000
#define FACTS_BYTES_MAX ((size_t)48 << 20)

struct bundle *
bundle_of(const struct core_settings *s, struct buf *problems, struct err *e)
{
	struct tool_facts facts = { 0 };
	const struct bundle_source src = { .dir = s->policies_dir,
		.servers = s->servers,
		.servers_n = s->servers_n,
		.models = s->models,
		.models_n = s->models_n,
		.views = s->views,
		.views_n = s->views_n,
		.facts = &facts };

	if (s->facts != NULL && !s->facts(s->facts_ctx, &facts, e)) {
		if (problems != NULL)
			buf_printf(problems, "%s\n", e->text);
		return NULL;
	}
	return bundle_load(&src, problems, e);
}

static struct str *
words_copy(struct arena *a, const struct str *from, size_t n)
{
	struct str *to = arena_zalloc(a, (n + 1) * sizeof(*to));

	for (size_t i = 0; i < n; i++)
		to[i] = arena_str(a, from[i]);
	return to;
}

static size_t
fact_bytes(const struct tool_fact *f)
{
	size_t n = sizeof(*f) + f->name.n + f->input_schema.n + 128;

	for (size_t i = 0; i < f->tags_n; i++)
		n += f->tags[i].n + 32;
	for (size_t i = 0; i < f->labels_n; i++)
		n += f->labels[i].n + 32;
	return n;
}

static int
by_name(const void *a, const void *b)
{
	const struct tool_fact *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static void
fact_hash(struct buf *b, const struct tool_fact *f)
{
	buf_json_str(b, f->name);
	buf_printf(b, "%d%d%d%d", f->readonly, f->destructive, f->idempotent, f->open_world);
	for (size_t i = 0; i < f->tags_n; i++)
		buf_json_str(b, f->tags[i]);
	buf_putc(b, ';');
	for (size_t i = 0; i < f->labels_n; i++)
		buf_json_str(b, f->labels[i]);
	buf_printf(b, ";%zu:", f->input_schema.n);
	buf_put(b, f->input_schema);
}

static void
rev_mix(struct sha256 *rev, const struct tool_facts *f)
{
	struct buf all;

	buf_init(&all, 2 * FACTS_BYTES_MAX);
	buf_put(&all, (struct str){ (const char *)rev->b, sizeof(rev->b) });
	for (size_t i = 0; i < f->n; i++)
		fact_hash(&all, &f->at[i]);
	ASSERT(buf_ok(&all));
	sha256(rev, buf_str(&all));
	buf_fini(&all);
}

void
facts_take(struct loading *ld, struct sha256 *rev)
{
	const struct tool_facts *from = ld->src->facts;
	struct arena *a = &ld->b->arena;
	struct tool_fact *at;
	size_t bytes = 0;

	if (from == NULL || !from->known)
		return;
	for (size_t i = 0; i < from->n; i++)
		bytes += fact_bytes(&from->at[i]);
	if (from->n > FACTS_MAX || bytes > FACTS_BYTES_MAX) {
		problem_at(&ld->problems, ld->src->dir, 0, 0,
		    "what is locked is more than %d tools or %zu MiB", FACTS_MAX,
		    FACTS_BYTES_MAX >> 20);
		return;
	}
	at = arena_zalloc(a, (from->n + 1) * sizeof(*at));
	for (size_t i = 0; i < from->n; i++) {
		at[i] = from->at[i];
		at[i].name = arena_str(a, from->at[i].name);
		at[i].input_schema = arena_str(a, from->at[i].input_schema);
		at[i].tags = words_copy(a, from->at[i].tags, from->at[i].tags_n);
		at[i].labels = words_copy(a, from->at[i].labels, from->at[i].labels_n);
	}
	qsort(at, from->n, sizeof(*at), by_name);
	ld->b->facts = (struct tool_facts){ at, from->n, true };
	rev_mix(rev, &ld->b->facts);
}

const struct tool_fact *
fact_find(const struct bundle *b, struct str name)
{
	const struct tool_fact wanted = { .name = name };

	if (b->facts.n == 0)
		return NULL;
	return bsearch(&wanted, b->facts.at, b->facts.n, sizeof(wanted), by_name);
}

struct str
schema_known(const struct bundle *b, enum ask_kind kind, struct str name)
{
	const struct tool_fact *f = kind == ASK_TOOL ? fact_find(b, name) : NULL;

	return f == NULL ? STR("") : f->input_schema;
}

bool
facts_known(const struct bundle *b)
{
	return b->facts.known;
}
