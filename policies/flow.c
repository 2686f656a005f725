/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - which labels the results had that a session has got.
 *
 * What one script returned can leave in the next, so that a session keeps what its runs have got.
 * It is memory of FLOW_KEEP_MS; after a restart the audit's rows tell it again (core.c).  A client
 * that names no session is one session per key.
 *
 * Nothing here forgets too early for want of room: with FLOW_SESSIONS_MAX of them the oldest one's
 * labels go over to its key's own entry, which counts for every session of that key.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/label.h"

#define SESSION_BYTES 200
#define NAME_BYTES    512 /* an id, a space, a session */

struct flow {
	struct link all;
	char *name; /* "k_… SESSION"; "k_… " is the key's own */
	uint8_t labels;
	int64_t until_ms;
};

void
flows_init(struct flows *fs)
{
	map_init(&fs->by_name);
	link_init(&fs->all);
}

static void
flow_free(struct flows *fs, struct flow *f)
{
	(void)map_del(&fs->by_name, str_of(f->name));
	link_drop(&f->all);
	free(f->name);
	free(f);
}

void
flows_fini(struct flows *fs)
{
	while (!link_empty(&fs->all))
		flow_free(fs, CONTAINER(fs->all.next, struct flow, all));
	map_fini(&fs->by_name);
}

static struct str
/* NOLINTNEXTLINE(readability-non-const-parameter): the buffer is written */
flow_name(char buf[NAME_BYTES], struct str key, struct str session)
{
	struct buf b = { .p = buf, .cap = NAME_BYTES, .limit = NAME_BYTES };

	/* The gate has clipped both; rows of a database may say anything. */
	buf_put(&b, key.n <= SESSION_BYTES ? key : STR("?"));
	buf_putc(&b, ' ');
	buf_put(&b, session.n <= SESSION_BYTES ? session : STR("?"));
	return buf_str(&b);
}

static uint8_t
labels_at(const struct flows *fs, struct str key, struct str session, int64_t now_ms)
{
	char buf[NAME_BYTES];
	const struct flow *f = map_get(&fs->by_name, flow_name(buf, key, session));

	return f == NULL || f->until_ms < now_ms ? 0 : f->labels;
}

uint8_t
flow_seen(const struct flows *fs, struct str key, struct str session, int64_t now_ms)
{
	uint8_t own = labels_at(fs, key, STR(""), now_ms);

	return session.n == 0 ? own : own | labels_at(fs, key, session, now_ms);
}

static void
flow_put(struct flows *fs, struct str name, uint8_t labels, int64_t until_ms)
{
	struct flow *f = map_get(&fs->by_name, name);

	if (f == NULL) {
		f = mem_zalloc(sizeof(*f));
		f->name = str_dup(name);
		link_init(&f->all);
		map_set(&fs->by_name, str_of(f->name), f);
	}
	link_drop(&f->all);
	link_init(&f->all);
	link_push(&fs->all, &f->all);
	f->labels |= labels;
	if (until_ms > f->until_ms)
		f->until_ms = until_ms;
}

/* Makes room for one more.  A key's own entry may outlive the oldest: there are as many as keys. */
static void
flows_trim(struct flows *fs, int64_t now_ms)
{
	struct flow *f;
	struct str key, session;
	uint8_t labels;
	int64_t until_ms;
	char buf[NAME_BYTES];

	while (!link_empty(&fs->all)) {
		f = CONTAINER(fs->all.next, struct flow, all);
		if (f->until_ms >= now_ms && fs->by_name.n < FLOW_SESSIONS_MAX)
			return;
		session = str_of(f->name);
		key = str_cut(&session, ' ');
		labels = f->until_ms < now_ms ? 0 : f->labels;
		until_ms = f->until_ms;
		memcpy(buf, key.p, key.n);
		buf[key.n] = ' ';
		key = (struct str){ buf, key.n + 1 };
		if (labels != 0 && session.n == 0) { /* only keys are left: they stay */
			link_drop(&f->all);
			link_init(&f->all);
			link_push(&fs->all, &f->all);
			return;
		}
		flow_free(fs, f);
		if (labels != 0)
			flow_put(fs, key, labels, until_ms);
	}
}

void
flow_add(struct flows *fs, struct str key, struct str session, uint8_t labels, int64_t now_ms)
{
	char buf[NAME_BYTES];

	flows_trim(fs, now_ms);
	flow_put(fs, flow_name(buf, key, session), labels, now_ms + FLOW_KEEP_MS);
}
