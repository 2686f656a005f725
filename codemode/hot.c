/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot - the definition of `lua`, frozen.
 *
 * A model reads the definitions first of all, so a byte that changes in them costs the cache of the
 * whole prompt.  Yet they should hold the tools that a team uses.  So:
 *
 *   session --has one--> the same text, until what the key sees changes
 *      \--new--> the team's text, if it is younger than TEXT_MS or has nothing to gain
 *                   \--else--> made anew: signatures of what the team used most, 2,048 bytes of it
 *
 * Sessions of a team that see the same tools begin with the same bytes: what one has paid for the
 * next one reads.  A text is what was learned by then, too: shapes that are learned later are for
 * the next session.  A client without a session id has the team's text.
 *
 * Memory only: after a restart a session is new.  SESSIONS_MAX and TEXTS_MAX bound it; who was
 * longest unused makes room.
 */
#include "codemode/hot.h"

#include <stdlib.h>

#include "codemode/tools.h"

#define TEXT_MS      ((int64_t)60 * 60 * 1000)
#define TEXTS_MAX    1000
#define SESSIONS_MAX 20000
#define HOT_MAX      32
#define HOT_FEW      8 /* a text with fewer is made anew when there are more */
#define ID_BYTES     600

struct hot_text {
	struct link link; /* of the team's, in the order of their making */
	size_t refs;
	char *id; /* team and what it sees; NULL: another has taken its place */
	uint64_t print;
	int64_t made_ms;
	size_t hot_n;
	struct buf json;
};
struct hot_session {
	struct link link; /* the one used last at the end */
	char *id;
	struct hot_text *text;
};

static void
text_unref(struct hot_text *t)
{
	ASSERT(t->refs > 0);
	if (--t->refs > 0)
		return;
	buf_fini(&t->json);
	free(t->id);
	free(t);
}

static void
text_retire(struct codemode *cm, struct hot_text *t)
{
	(void)map_del(&cm->hot.texts, str_of(t->id));
	link_drop(&t->link);
	cm->hot.texts_n--;
	text_unref(t);
}

static void
session_drop(struct codemode *cm, struct hot_session *s)
{
	(void)map_del(&cm->hot.sessions, str_of(s->id));
	link_drop(&s->link);
	text_unref(s->text);
	free(s->id);
	free(s);
}

/* Of what the key sees: another list, another text. */
static uint64_t
print_of(const struct tool_list *l)
{
	uint64_t h = l->n;

	for (size_t i = 0; i < l->n; i++)
		h = (h ^ map_hash(l->t[i]->definition) ^ map_hash(l->t[i]->script_name)) *
			0x9e3779b97f4a7c15ull +
		    (h >> 31);
	return h;
}

/* Of what the team used most, what this key sees. */
static size_t
hot_find(struct codemode *cm, struct key *k, const struct tool_list *l, const struct tool **hot)
{
	struct str names[HOT_MAX];
	size_t n = core_frequent_tools(cm->core, k, names, HOT_MAX), found = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < l->n; j++)
			if (str_eq(l->t[j]->policy_name, names[i])) {
				hot[found++] = l->t[j];
				break;
			}
	return found;
}

static struct hot_text *
text_make(struct codemode *cm, struct key *k, struct str id, const struct tool_list *l)
{
	struct hot_text *t = mem_zalloc(sizeof(*t));
	const struct tool *hot[HOT_MAX];

	if (cm->hot.texts_n == TEXTS_MAX)
		text_retire(cm, CONTAINER(cm->hot.by_age.next, struct hot_text, link));
	t->refs = 1;
	t->id = str_dup(id);
	t->made_ms = loop_mono_ms(cm->loop);
	t->hot_n = hot_find(cm, k, l, hot);
	buf_init(&t->json, 0);
	tools_put_lua(l, hot, t->hot_n, &t->json);
	link_init(&t->link);
	link_push(&cm->hot.by_age, &t->link);
	map_set(&cm->hot.texts, str_of(t->id), t);
	cm->hot.texts_n++;
	return t;
}

/* The team's, as young as it has to be. */
static struct hot_text *
text_of(struct codemode *cm, struct key *k, uint64_t print, const struct tool_list *l)
{
	const struct tool *hot[HOT_MAX];
	struct str owner[3];
	char room[ID_BYTES];
	struct buf id = { .p = room, .cap = sizeof(room), .limit = sizeof(room) };
	struct hot_text *t;

	key_owner(k, owner);
	if (owner[1].n > 0)
		owner[2] = STR("");
	for (size_t i = 0; i < COUNT(owner); i++) {
		buf_put(&id, str_clip(owner[i], 100));
		buf_putc(&id, '\n');
	}
	buf_printf(&id, "%llx", (unsigned long long)print);
	ASSERT(buf_ok(&id));
	t = map_get(&cm->hot.texts, buf_str(&id));
	if (t != NULL && loop_mono_ms(cm->loop) - t->made_ms < TEXT_MS &&
	    (t->hot_n >= HOT_FEW || t->hot_n >= hot_find(cm, k, l, hot)))
		return t;
	if (t != NULL)
		text_retire(cm, t);
	t = text_make(cm, k, buf_str(&id), l);
	t->print = print;
	return t;
}

static void
session_keep(struct codemode *cm, struct str id, struct hot_text *t)
{
	struct hot_session *s = map_get(&cm->hot.sessions, id);

	if (s == NULL) {
		if (cm->hot.sessions.n >= SESSIONS_MAX)
			session_drop(cm, CONTAINER(cm->hot.by_use.next, struct hot_session, link));
		s = mem_zalloc(sizeof(*s));
		s->id = str_dup(id);
		link_init(&s->link);
		map_set(&cm->hot.sessions, str_of(s->id), s);
	} else {
		text_unref(s->text);
	}
	t->refs++;
	s->text = t;
	link_drop(&s->link);
	link_push(&cm->hot.by_use, &s->link);
}

void
hot_put_lua(struct codemode *cm, struct key *k, const struct view_settings *of, struct str session,
    struct buf *out)
{
	struct tool_list l = tool_list_of(cm, k, of);
	uint64_t print = print_of(&l);
	struct hot_session *s = NULL;
	struct hot_text *t;
	struct key_info info;
	char room[ID_BYTES];
	struct buf id = { .p = room, .cap = sizeof(room), .limit = sizeof(room) };

	key_info(k, &info);
	buf_put(&id, info.id);
	buf_putc(&id, '\n');
	buf_put(&id, of != NULL ? of->name : STR(""));
	buf_putc(&id, '\n');
	buf_put(&id, str_clip(session, 300));
	ASSERT(buf_ok(&id));
	if (session.n > 0)
		s = map_get(&cm->hot.sessions, buf_str(&id));
	if (s != NULL && s->text->print == print) {
		t = s->text;
		link_drop(&s->link);
		link_push(&cm->hot.by_use, &s->link);
	} else {
		t = text_of(cm, k, print, &l);
		if (session.n > 0)
			session_keep(cm, buf_str(&id), t);
	}
	buf_put(out, buf_str(&t->json));
	tool_list_fini(&l);
}

void
hot_init(struct codemode *cm)
{
	map_init(&cm->hot.texts);
	map_init(&cm->hot.sessions);
	link_init(&cm->hot.by_age);
	link_init(&cm->hot.by_use);
}

void
hot_free(struct codemode *cm)
{
	while (!link_empty(&cm->hot.by_use))
		session_drop(cm, CONTAINER(cm->hot.by_use.next, struct hot_session, link));
	while (!link_empty(&cm->hot.by_age))
		text_retire(cm, CONTAINER(cm->hot.by_age.next, struct hot_text, link));
	map_fini(&cm->hot.sessions);
	map_fini(&cm->hot.texts);
}
