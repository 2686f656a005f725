/* SPDX-License-Identifier: Apache-2.0 */
/*
 * masking - the texts of one request to a model, looked at one after another.
 *
 * A body is checked as JSON first, which otherwise only the provider does: where two readers could
 * disagree about what is a text, nothing is sent.
 */
#include "gateway/masking.h"

#include <stdlib.h>

#include "gateway/texts.h"

#define GROWTH_BYTES                                                                               \
	65536 /* a body may become three times as long and so much: a@b.cc is short                \
	       */

struct masking *
masking_begin(
    struct core *c, struct key *k, struct str client, struct str model, struct str requested)
{
	struct redaction wants;
	struct masking *m;

	if (!rules_redact_model(c, k, &(struct via){ STR(""), client }, model, requested, &wants))
		return NULL;
	m = mem_zalloc(sizeof(*m));
	m->wants = wants;
	return m;
}

void
masking_end(struct masking **at)
{
	if (*at == NULL)
		return;
	buf_fini(&(*at)->body);
	MEM_FREE(at);
}

struct looking {
	struct masking *m;
	struct redacting *texts;
};

static void
on_text(void *ctx, const struct text *t)
{
	struct looking *l = ctx;
	const struct redact_counts *n = &l->m->counts;
	const bool first = n->blocked == NULL;

	if (t->coded)
		redacting_base64(l->texts, t->value);
	else if (t->tools && json_kind(t->value) == JSON_STRING)
		redacting_inner(l->texts, t->value);
	else
		redacting_value(l->texts, t->value);
	if (first && n->blocked != NULL)
		text_place(t, l->m->at, sizeof(l->m->at));
}

bool
masking_request(
    struct masking *m, struct core *c, const struct dialect *d, struct str *body, struct err *e)
{
	struct looking l = { .m = m };

	if (!m->wants.any_args)
		return true;
	if (!json_check_lone(*body, e))
		return false;
	buf_init(&m->body, 3 * body->n + GROWTH_BYTES);
	l.texts = redacting_begin(c, m->wants.args, *body, &m->body, &m->counts);
	texts_each(d->texts, asked_object(*body), on_text, &l);
	*body = redacting_end(&l.texts);
	return body->p != NULL || err_set(e, ERR_TOO_LARGE, "the request is too large to redact");
}
