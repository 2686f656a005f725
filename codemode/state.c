/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - S and last of a session.
 *
 *   state_lend() --RUN--> the script --STATE, DONE--> state_keep() --> memory, database (S only)
 *
 * A session is what the client calls one (its header), of one key; a client that names none has
 * one session per key, as for labels (policies/flow.c).  S is written only by a script that ended
 * with DONE: one that failed leaves S as it was.  Of two that run at the same time the one that
 * ends last has the word.  last is memory: after a restart there is no previous script.
 *
 * Bounds: SANDBOX_STATE_MAX for one S, FRAME_VALUE_MAX for one last, OWNER_BYTES for all of one key
 * and ALL_BYTES for everybody; past them the session that was used longest ago is forgotten.
 */
#include "codemode/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define OWNER_BYTES ((size_t)8 << 20)
#define ALL_BYTES   ((size_t)64 << 20)
#define ONE_BYTES   512 /* of a session that holds next to nothing */

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

bool
source_names(struct str source, struct str word)
{
	for (const char *p = source.p, *end = source.p + source.n; p < end; p++) {
		p = memmem(p, (size_t)(end - p), word.p, word.n);
		if (p == NULL)
			return false;
		if ((p == source.p || !is_word(p[-1])) &&
		    (p + word.n == end || !is_word(p[word.n])))
			return true;
	}
	return false;
}

/* ---- sessions ---- */

static size_t
size_of(const struct session *s)
{
	return ONE_BYTES + s->state.n + s->last.n;
}

static void
count(struct session *s, size_t before)
{
	s->owner->session_bytes += size_of(s) - before;
	s->owner->cm->session_bytes += size_of(s) - before;
}

static void
session_free(struct session *s)
{
	s->owner->session_bytes -= size_of(s);
	s->owner->cm->session_bytes -= size_of(s);
	(void)map_del(&s->owner->by_name, str_of(s->name));
	link_drop(&s->of_owner);
	link_drop(&s->all);
	buf_fini(&s->state);
	buf_fini(&s->last);
	free(s);
}

void
sessions_forget(struct owner *o)
{
	while (!link_empty(&o->sessions))
		session_free(CONTAINER(o->sessions.next, struct session, of_owner));
}

static void
name_put(char name[sizeof(SESSION_NAME) + 32], struct str session)
{
	struct sha256 digest;
	struct buf b;

	sha256(&digest, session);
	buf_init(&b, 0);
	buf_puts(&b, SESSION_NAME);
	buf_hex(&b, digest.b, 16);
	(void)str_copy(name, sizeof(SESSION_NAME) + 32, buf_str(&b));
	buf_fini(&b);
}

static struct session *
session_new(struct owner *o, struct str name)
{
	struct session *s = mem_zalloc(sizeof(*s));

	s->owner = o;
	(void)str_copy(s->name, sizeof(s->name), name);
	buf_init(&s->state, SANDBOX_STATE_MAX);
	buf_init(&s->last, FRAME_VALUE_MAX);
	map_set(&o->by_name, str_of(s->name), s);
	link_push(&o->sessions, &s->of_owner);
	link_push(&o->cm->sessions, &s->all);
	count(s, 0);
	return s;
}

/* The one that was used last stands at the end of both lists. */
static void
touch(struct session *s)
{
	link_drop(&s->of_owner);
	link_drop(&s->all);
	link_push(&s->owner->sessions, &s->of_owner);
	link_push(&s->owner->cm->sessions, &s->all);
}

static void
forget(struct session *s)
{
	owner_keep(s->owner, s->name, STR_NONE, 0);
	session_free(s);
}

static void
bounds_keep(struct session *used)
{
	struct owner *o = used->owner;
	struct codemode *cm = o->cm;

	while (o->session_bytes > OWNER_BYTES && o->sessions.next != &used->of_owner)
		forget(CONTAINER(o->sessions.next, struct session, of_owner));
	while (cm->session_bytes > ALL_BYTES && cm->sessions.next != &used->all)
		forget(CONTAINER(cm->sessions.next, struct session, all));
}

void
session_load(struct owner *o, const struct kept_row *r)
{
	struct session *s;
	size_t before;
	struct err e;

	if (r->value.n > SANDBOX_STATE_MAX || !json_check(r->value, true, &e) ||
	    r->name.n >= sizeof(s->name))
		return;
	s = session_new(o, r->name);
	before = size_of(s);
	buf_put(&s->state, r->value);
	s->until_ns = s->kept_ns = r->until_ns;
	count(s, before);
	bounds_keep(s);
}

/* ---- for scripts ---- */

static struct session *
session_of(struct codemode *cm, struct key *k, struct str session)
{
	char name[sizeof(SESSION_NAME) + 32];
	struct owner *o = owner_of(cm, k);
	struct session *s;

	name_put(name, session);
	s = map_get(&o->by_name, str_of(name));
	if (s == NULL)
		return session_new(o, str_of(name));
	if (s->until_ns > 0 && s->until_ns < loop_wall_ns(cm->loop)) { /* its time is over */
		forget(s);
		return session_new(o, str_of(name));
	}
	touch(s);
	return s;
}

/* Does the script, or a snippet that it is sent? */
static bool
script_names(const struct sandbox_script *c, struct str word)
{
	bool names = source_names(c->source, word);

	for (size_t i = 0; i < c->snippets_n && !names; i++)
		names = source_names(c->snippets[i].source, word);
	return names;
}

void
state_lend(struct codemode *cm, struct key *k, struct str session, struct sandbox_script *c)
{
	const bool names_state = script_names(c, STR("S")),
		   names_last = script_names(c, STR("last"));
	struct session *s;

	c->state = c->last = STR_NONE;
	if (!names_state && !names_last)
		return;
	s = session_of(cm, k, session);
	bounds_keep(s); /* one that is only ever lent takes room, too */
	if (names_state)
		c->state = s->state.n > 0 ? buf_str(&s->state) : STR("{}");
	if (names_last && s->last.n > 0)
		c->last = buf_str(&s->last);
}

void
state_keep(
    struct codemode *cm, struct key *k, struct str session, struct str state, struct str last)
{
	struct session *s = session_of(cm, k, session);
	const size_t before = size_of(s);
	const bool changed = state.p != NULL && !str_eq(state, buf_str(&s->state)) &&
			     (s->state.n > 0 || !str_eq(state, STR("{}")));

	if (changed) {
		buf_reset(&s->state);
		buf_put(&s->state, state);
	}
	buf_fini(&s->last); /* its memory goes, too: the next may be small */
	buf_init(&s->last, FRAME_VALUE_MAX);
	buf_put(&s->last, last);
	count(s, before);
	s->until_ns = keep_until_ns(cm);
	if (s->state.n > 0 && (changed || s->until_ns - s->kept_ns > cm->set.keep_ms * 500000)) {
		s->kept_ns = s->until_ns;
		owner_keep(s->owner, s->name, buf_str(&s->state), s->until_ns);
	}
	bounds_keep(s);
}
