/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scripts - what a key's scripts used and kept out of contexts, by period; for its owner to see.
 *
 * In memory, since /me is answered by the loop, which reads no database; a start takes it from the
 * ledger again.  A script counts in the periods in which it entered, as its cell of the ledger and
 * its money do.  Nothing is decided by these numbers: when the organisation's zone changes, the
 * period under way ends as it would have, and a start counts in the new one.
 */
#include <string.h>

#include "policies/core.h"

struct scripts {
	struct {
		int64_t start_s, end_s, runs, kept_bytes, cpu_us, memory_kb;
	} in[PERIODS];
};

static void
roll(const struct core *c, struct scripts *s)
{
	int64_t now_s = loop_wall_ns(c->loop) / 1000000000, start, end;

	for (int i = 0; i < PERIODS; i++) {
		if (now_s < s->in[i].end_s)
			continue;
		period_bounds(core_zone(c), (enum period)(i + 1), now_s, &start, &end);
		memset(&s->in[i], 0, sizeof(s->in[i]));
		s->in[i].start_s = start;
		s->in[i].end_s = end;
	}
}

static void
count(struct key *k, int64_t at_s, int64_t runs, int64_t kept_bytes, int64_t cpu_us,
    int64_t memory_kb)
{
	struct scripts *s;

	if (k->scripts == NULL)
		k->scripts = mem_zalloc(sizeof(*k->scripts));
	s = k->scripts;
	roll(k->core, s);
	for (int i = 0; i < PERIODS; i++) {
		if (at_s < s->in[i].start_s)
			continue;
		s->in[i].runs += runs;
		s->in[i].kept_bytes += kept_bytes;
		s->in[i].cpu_us += cpu_us;
		if (s->in[i].memory_kb < memory_kb)
			s->in[i].memory_kb = memory_kb;
	}
}

void
scripts_add(struct key *k, int64_t entered_s, const struct outcome *o)
{
	count(k, entered_s, 1, o->kept_bytes, o->cpu_us, o->memory_kb);
}

void
scripts_recall(struct core *c, const struct usage_row *r)
{
	struct key *k = r->kind == ASK_RUN ? map_get(&c->by_id, r->key) : NULL;

	if (k != NULL)
		count(k, r->quarter_s, r->requests, r->kept_bytes, r->cpu_us, r->memory_kb);
}

void
core_scripts_json(struct core *c, const struct key *k, struct buf *out)
{
	struct scripts now = { 0 };

	if (k->scripts != NULL)
		now = *k->scripts;
	roll(c, &now);
	for (int i = 0; i < PERIODS; i++) {
		buf_printf(out, "%s{\"period\":\"%s\",\"since\":", i == 0 ? "[" : ",",
		    period_word((enum period)(i + 1)));
		buf_utc(out, now.in[i].start_s);
		buf_puts(out, ",\"until\":");
		buf_utc(out, now.in[i].end_s);
		buf_printf(out,
		    ",\"runs\":%lld,\"kept_bytes\":%lld,\"kept_tokens_estimate\":%lld,"
		    "\"cpu_us\":%lld,\"memory_kb\":%lld}",
		    (long long)now.in[i].runs, (long long)now.in[i].kept_bytes,
		    (long long)(now.in[i].kept_bytes / TOKEN_BYTES), (long long)now.in[i].cpu_us,
		    (long long)now.in[i].memory_kb);
	}
	buf_putc(out, ']');
}
