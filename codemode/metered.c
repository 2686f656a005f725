/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metered - what scripts kept out of contexts, by team.
 *
 * Bytes are counted; a token is taken for four of them, which is an estimate and named so.
 * TEAMS_MAX labels at most: the rest of the teams are one, "(other)".
 */
#include "codemode/metered.h"

#include <stdlib.h>

#define TEAMS_MAX   100
#define TOKEN_BYTES 4

struct metered {
	char *team;
	uint64_t kept_bytes;
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
metered_add(struct codemode *cm, struct key *k, int64_t kept_bytes)
{
	struct str owner[3];
	struct buf team;

	key_owner(k, owner);
	buf_init(&team, 1024);
	buf_put(&team, owner[0]);
	if (owner[1].n > 0) {
		buf_putc(&team, '/');
		buf_put(&team, owner[1]);
	}
	metered_of(cm, team.n > 0 ? buf_str(&team) : STR("(none)"))->kept_bytes +=
	    (uint64_t)kept_bytes;
	buf_fini(&team);
}

void
metered_put(const struct codemode *cm, struct buf *out)
{
	struct str team;
	void *v;

	buf_puts(out, "# TYPE tollgate_run_kept_tokens_estimate_total counter\n");
	for (size_t it = 0; map_next(&cm->metered, &it, &team, &v);) {
		buf_puts(out, "tollgate_run_kept_tokens_estimate_total{team=");
		buf_json_str(out, team);
		buf_printf(out, "} %llu\n",
		    (unsigned long long)(((const struct metered *)v)->kept_bytes / TOKEN_BYTES));
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
