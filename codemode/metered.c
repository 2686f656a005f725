/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metered - what scripts kept out of contexts, and what the kernel counted for them, by team.
 *
 * Bytes are counted; a token is taken for four of them, which is an estimate and named so.
 * TEAMS_MAX labels at most: the rest of the teams are one, "(other)".
 */
#include "codemode/metered.h"

#include <stdlib.h>

#define TEAMS_MAX 100

struct metered {
	char *team;
	int64_t kept_bytes, cpu_us, memory_kb; /* memory: the most of one script */
};

static struct metered *
metered_of(struct codemode *cm, struct str team)
{
	struct metered *m = map_get(&cm->metered, team);

	if (m == NULL && cm->metered.n >= TEAMS_MAX) {
		team = STR("(other)");
		m = map_get(&cm->metered, team);
	}
	if (m != NULL)
		return m;
	m = mem_zalloc(sizeof(*m));
	m->team = str_dup(team);
	map_set(&cm->metered, str_of(m->team), m);
	return m;
}

void
metered_add(struct codemode *cm, struct key *k, const struct outcome *o)
{
	struct str owner[3];
	struct metered *m;
	struct buf team;

	key_owner(k, owner);
	buf_init(&team, 1024);
	buf_put(&team, owner[0]);
	if (owner[1].n > 0) {
		buf_putc(&team, '/');
		buf_put(&team, owner[1]);
	}
	m = metered_of(cm, team.n > 0 ? buf_str(&team) : STR("(none)"));
	m->kept_bytes += o->kept_bytes;
	m->cpu_us += o->cpu_us;
	m->memory_kb = m->memory_kb > o->memory_kb ? m->memory_kb : o->memory_kb;
	buf_fini(&team);
}

static int64_t
kept_bytes(const struct metered *m)
{
	return m->kept_bytes;
}

static int64_t
kept_tokens(const struct metered *m)
{
	return m->kept_bytes / TOKEN_BYTES;
}

static int64_t
cpu_us(const struct metered *m)
{
	return m->cpu_us;
}

static int64_t
memory_kb(const struct metered *m)
{
	return m->memory_kb;
}

void
metered_put(const struct codemode *cm, struct buf *out)
{
	static const struct {
		const char *name, *type;
		int64_t (*of)(const struct metered *m);
	} metrics[] = { { "tollgate_run_kept_bytes_total", "counter", kept_bytes },
		{ "tollgate_run_kept_tokens_estimate_total", "counter", kept_tokens },
		{ "tollgate_run_cpu_us_total", "counter", cpu_us },
		{ "tollgate_run_memory_kb_max", "gauge", memory_kb } };
	struct str team;
	void *v;

	for (size_t i = 0; i < COUNT(metrics); i++) {
		buf_printf(out, "# TYPE %s %s\n", metrics[i].name, metrics[i].type);
		for (size_t it = 0; map_next(&cm->metered, &it, &team, &v);) {
			buf_printf(out, "%s{team=", metrics[i].name);
			buf_json_str(out, team);
			buf_printf(out, "} %lld\n", (long long)metrics[i].of(v));
		}
	}
}

void
metered_free(struct codemode *cm)
{
	struct str team;
	void *v;

	for (size_t it = 0; map_next(&cm->metered, &it, &team, &v);) {
		free(((struct metered *)v)->team);
		free(v);
	}
	map_fini(&cm->metered);
}
