/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pins - what is served of what a server lists, where definitions are pinned.
 *
 *                       listed as approved   listed as another    not listed     listed, not locked
 *   strict              approved             the approved one,    the approved   pending: hidden
 *                                            calls are refused    one
 *   warn                approved             as it is now         nothing        as it is now
 *   off                 as it is, whatever the lock has
 *
 * So under strict a list depends on mcp.lock alone: it is there before the server is, and stays as
 * it is while the server comes and goes.  What a server says of the rest is told once, when it
 * changes, and counted.
 *
 * Who says nothing has strict where there is a lock.  Where there is none, tools that their server
 * itself calls destructive are strict all the same, and everything else is off.
 */
#include "mcp/pins.h"

#include "base/json.h"
#include "base/log.h"
#include "mcp/view.h"

#define SAID_MAX     20 /* lines of one change; the rest is in `tollgate lock diff` */
#define BLOCKED_TEXT 300

const char *
tool_pin_word(enum tool_pin p)
{
	static const char *const words[] = { "free", "approved", "pending", "changed", "removed" };

	return words[p];
}

/* ---- one tool ---- */

static enum mcp_pin
pin_said(const struct hub *h, const struct server *sv)
{
	return sv->s->pin != PIN_UNSAID ? sv->s->pin : h->pin;
}

static enum mcp_pin
pin_of(const struct hub *h, const struct server *sv, const struct tool *t)
{
	enum mcp_pin said = pin_said(h, sv);

	if (said != PIN_UNSAID)
		return said;
	return h->lock != NULL || t->says_destructive ? PIN_STRICT : PIN_OFF;
}

static struct str
source_of(const struct server *sv)
{
	return sv->s->source != NULL ? str_of(sv->s->source) : STR("");
}

/* t as the lock's functions take it; its bytes are in *b. */
static struct lock_seen
seen_of(const struct server *sv, const struct tool *t, struct buf *b)
{
	buf_reset(b);
	tool_own_put(b, t);
	return (struct lock_seen){ t->policy_name, source_of(sv), buf_str(b) };
}

/* ---- building what is served ---- */

struct build {
	struct hub *h;
	struct server *sv;
	struct toolset *set, *before; /* before: what the server listed the time before */
	struct buf own;
	size_t said;
};

static void
say(struct build *b, struct str tool, enum tool_pin pin, enum mcp_pin mode)
{
	static const char *const strict[] = { [TOOL_PENDING] =
						  "a tool is hidden until somebody approves "
						  "it (tollgate lock diff)",
		[TOOL_CHANGED] = "a tool is not what was approved, its calls are refused (tollgate "
				 "lock diff)",
		[TOOL_REMOVED] = "an approved tool is gone from its server" };

	if (b->said++ >= SAID_MAX)
		return;
	log_warn(NULL,
	    mode == PIN_STRICT || pin == TOOL_REMOVED
		? strict[pin]
		: "a tool is served that nobody has approved as it is (tollgate lock diff)",
	    F_STR("server", b->sv->name), F_STR("tool", tool), F_TEXT("pin", tool_pin_word(pin)));
}

/* Of what the server lists now: was this said already? */
static void
judged(struct build *b, struct tool *t, enum tool_pin pin, enum mcp_pin mode)
{
	const struct tool *was = b->before == NULL ? NULL : toolset_find(b->before, t->name);
	bool told = was != NULL && was->pin == pin && str_eq(was->definition, t->definition);

	t->pin = pin;
	b->sv->pinned[pin]++;
	if ((pin == TOOL_PENDING || pin == TOOL_CHANGED) && !told)
		say(b, t->name, pin, mode);
}

static struct tool *
as_seen(struct build *b, const struct tool *t, enum tool_pin pin)
{
	struct tool *made;

	(void)seen_of(b->sv, t, &b->own);
	made = toolset_add(b->set, buf_str(&b->own));
	if (made != NULL)
		made->pin = pin;
	return made;
}

static struct tool *
as_locked(struct build *b, const struct locked *k, enum tool_pin pin)
{
	struct tool *made = toolset_add(b->set, k->definition);

	if (made == NULL)
		return NULL;
	made->pin = pin;
	if (k->alias.n > 0)
		made->alias = toolset_keep(b->set, k->alias);
	return made;
}

static void
block(struct build *b, struct tool *made, const struct locked *k, const struct lock_seen *now)
{
	struct buf text, parts;

	if (made == NULL)
		return;
	buf_init(&text, 0);
	buf_init(&parts, 0);
	lock_changed_parts(&parts, k, now);
	buf_printf(&text,
	    STR_FMT " is not what was approved: its server changed " STR_FMT
		    "; it stays blocked until a person has looked (tollgate lock diff " STR_FMT ")",
	    STR_ARG(k->name), STR_ARG(str_clip(buf_str(&parts), 100)), STR_ARG(k->name));
	made->blocked = toolset_keep(b->set, str_clip(buf_str(&text), BLOCKED_TEXT));
	buf_fini(&text);
	buf_fini(&parts);
}

static bool
was_removed(const struct server *sv, struct str tool)
{
	const struct tool *t = toolset_find(sv->tools, tool);

	return t != NULL && t->pin == TOOL_REMOVED;
}

static void
locked_take(struct build *b, const struct locked *k, enum mcp_pin mode)
{
	struct server *sv = b->sv;
	struct tool *t = toolset_find(sv->seen, k->tool);
	struct lock_seen now;

	if (t == NULL) {
		bool removed = sv->seen != NULL;

		sv->pinned[TOOL_REMOVED] += removed;
		if (removed && !was_removed(sv, k->tool))
			say(b, k->tool, TOOL_REMOVED, mode);
		if (!removed || mode == PIN_STRICT)
			(void)as_locked(b, k, removed ? TOOL_REMOVED : TOOL_APPROVED);
		return;
	}
	now = seen_of(sv, t, &b->own);
	if (lock_compare(b->h->lock, &now) == LOCK_SAME) {
		judged(b, t, TOOL_APPROVED, mode);
		(void)as_locked(b, k, TOOL_APPROVED);
		return;
	}
	judged(b, t, TOOL_CHANGED, mode);
	if (mode == PIN_STRICT)
		block(b, as_locked(b, k, TOOL_CHANGED), k, &now);
	else
		(void)as_seen(b, t, TOOL_CHANGED);
}

static void
unlocked_take(struct build *b, struct tool *t)
{
	enum mcp_pin mode = pin_of(b->h, b->sv, t);

	if (mode == PIN_OFF) {
		judged(b, t, TOOL_FREE, mode);
		(void)as_seen(b, t, TOOL_FREE);
		return;
	}
	if (lock_find(b->h->lock, t->policy_name) != NULL)
		return; /* locked_take() has */
	judged(b, t, TOOL_PENDING, mode);
	if (mode == PIN_WARN)
		(void)as_seen(b, t, TOOL_PENDING);
}

/* The lock is in order of name, so that a server's tools stand together. */
static struct toolset *
served_make(struct build *b)
{
	const struct lock *l = b->h->lock;
	enum mcp_pin mode = pin_said(b->h, b->sv);

	b->set = toolset_new(b->sv->name);
	if (mode == PIN_UNSAID)
		mode = PIN_STRICT;
	for (size_t i = 0; mode != PIN_OFF && i < lock_count(l); i++)
		if (str_eq(lock_at(l, i)->server, b->sv->name))
			locked_take(b, lock_at(l, i), mode);
	for (size_t i = 0; i < toolset_count(b->sv->seen); i++)
		unlocked_take(b, toolset_at(b->sv->seen, i));
	return b->set;
}

/* Nothing of it is pinned: what the server lists is what is served, the very set. */
static bool
all_free(const struct hub *h, const struct server *sv)
{
	enum mcp_pin said = pin_said(h, sv);

	if (said != PIN_UNSAID || h->lock != NULL)
		return said == PIN_OFF;
	for (size_t i = 0; i < toolset_count(sv->seen); i++)
		if (toolset_at(sv->seen, i)->says_destructive)
			return false;
	return true;
}

/* before: as struct build has it; borrowed. */
static void
pins_apply(struct hub *h, struct server *sv, struct toolset *before)
{
	struct build b = { .h = h, .sv = sv, .before = before };
	struct toolset *set;

	for (size_t i = 0; i < COUNT(sv->pinned); i++)
		sv->pinned[i] = 0;
	buf_init(&b.own, 0);
	if (all_free(h, sv)) {
		for (size_t i = 0; i < toolset_count(sv->seen); i++)
			judged(&b, toolset_at(sv->seen, i), TOOL_FREE, PIN_OFF);
		set = sv->seen == NULL ? NULL : toolset_ref(sv->seen);
	} else {
		set = served_make(&b);
	}
	buf_fini(&b.own);
	/* What is served already needs no second reference. */
	if (set == sv->tools || (sv->tools != NULL && set != NULL && toolset_same(sv->tools, set)))
		toolset_free(&set);
	else
		hub_serve(h, sv, set);
}

/* ---- what changes it ---- */

void
hub_take_tools(struct hub *h, struct server *sv)
{
	struct toolset *before = sv->seen;

	if (before != NULL && toolset_same_list(before, sv->listing)) {
		toolset_free(&sv->listing);
		return;
	}
	sv->seen = sv->listing;
	sv->listing = NULL;
	pins_apply(h, sv, before);
	toolset_free(&before);
}

void
hub_set_lock(struct hub *h, const struct lock *l)
{
	IS(h, HUB_MAGIC);
	h->lock = l;
	for (size_t i = 0; i < h->servers_n; i++)
		pins_apply(h, &h->servers[i], h->servers[i].seen);
}

bool
pins_hold(const struct hub *h, const struct server *sv)
{
	enum mcp_pin said = pin_said(h, sv);

	return h->lock != NULL && (said == PIN_UNSAID || said == PIN_STRICT);
}

/* ---- for who approves ---- */

static void
seen_put(struct hub *h, struct server *sv, struct buf *out)
{
	struct buf own;

	buf_puts(out, "{\"name\":");
	buf_json_str(out, sv->name);
	buf_puts(out, ",\"source\":");
	buf_json_str(out, source_of(sv));
	buf_printf(out, ",\"state\":\"%s\",\"failure\":", server_state_word(sv));
	buf_json_str(
	    out, str_of(sv->state == SERVER_DISABLED ? server_disabled_why(sv) : sv->failure));
	buf_printf(out, ",\"listed\":%s,\"tools\":[", sv->seen != NULL ? "true" : "false");
	buf_init(&own, 0);
	for (size_t i = 0; i < toolset_count(sv->seen); i++) {
		const struct tool *t = toolset_at(sv->seen, i);

		buf_puts(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_json_str(out, t->policy_name);
		buf_printf(out,
		    ",\"pin\":\"%s\",\"pinned\":%s,\"definition\":", tool_pin_word(t->pin),
		    pin_of(h, sv, t) == PIN_OFF ? "false" : "true");
		(void)seen_of(sv, t, &own);
		buf_put(out, buf_str(&own));
		buf_putc(out, '}');
	}
	buf_fini(&own);
	buf_puts(out, "]}");
}

void
hub_seen_json(struct hub *h, struct buf *out)
{
	IS(h, HUB_MAGIC);
	buf_putc(out, '[');
	for (size_t i = 0; i < h->servers_n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		seen_put(h, &h->servers[i], out);
	}
	buf_putc(out, ']');
}
