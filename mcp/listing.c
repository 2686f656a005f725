/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - what a server offers, read page by page and kind by kind.
 *
 *   listing_start() --> tools/list --page--> … --last page--> the catalogue takes the set
 *                          --> prompts/list --> resources/list --> resources/templates/list
 *                          --> server_listed()
 *
 * Only what the server declared is asked for.  Tools that cannot be listed are the server's failure
 * the first time; of everything else, and later, what was known before stays.  Read again when the
 * server says that something changed (at most once per REFRESH_SPACE_MS, however often it says so)
 * and every RELIST_MS anyway.
 */
#include <stdio.h>

#include "base/log.h"
#include "mcp/pins.h"
#include "mcp/view.h"

#define PAGES_MAX        200
#define REFRESH_SPACE_MS 500
#define REFRESH_AFTER_MS 100
#define RELIST_MS        300000
#define LIST_MS          10000

static const struct phase {
	const char *method, *member;
	unsigned can;
	enum offer_kind kind; /* of all but the first */
} phases[] = { { "tools/list", "tools", SERVER_TOOLS, 0 },
	{ "prompts/list", "prompts", SERVER_PROMPTS, OFFER_PROMPT },
	{ "resources/list", "resources", SERVER_RESOURCES, OFFER_RESOURCE },
	{ "resources/templates/list", "resourceTemplates", SERVER_RESOURCES, OFFER_TEMPLATE } };

static void page_ask(struct server *sv);

void
listing_drop(struct server *sv)
{
	toolset_free(&sv->listing);
	offerset_free(&sv->offering);
	sv->stale = false;
	sv->reading = false;
}

static void
again(void *ctx)
{
	listing_start(ctx);
}

static void
listing_end(struct server *sv)
{
	bool first = sv->state == SERVER_LISTING;

	listing_drop(sv);
	sv->listed_ms = loop_mono_ms(sv->loop);
	timer_set(sv->loop, &sv->timer, RELIST_MS, again, sv);
	if (first)
		server_listed(sv);
}

/* The next kind that it declared, or the end. */
static void
phase_next(struct server *sv)
{
	bool stale = sv->stale;

	toolset_free(&sv->listing);
	offerset_free(&sv->offering);
	for (sv->phase++; sv->phase < (int)COUNT(phases); sv->phase++)
		if ((sv->can & phases[sv->phase].can) != 0)
			break;
	if (sv->phase < (int)COUNT(phases)) {
		sv->cursor[0] = sv->last_cursor[0] = '\0';
		sv->pages = 0;
		page_ask(sv);
		return;
	}
	listing_end(sv);
	if (stale)
		timer_set(sv->loop, &sv->timer, REFRESH_SPACE_MS, again, sv);
}

static void
page_failed(struct server *sv, const struct reply *r, const struct err *e)
{
	struct err why;

	if (sv->phase > 0 || sv->state != SERVER_LISTING) {
		phase_next(sv); /* what was known stays */
		return;
	}
	if (e == NULL) {
		(void)err_set(&why, ERR_UPSTREAM, "tools/list: %s",
		    r->error.p != NULL ? "answered with an error" : "not a list of tools");
		e = &why;
	}
	server_fail(sv, e);
}

static void
page_take(struct server *sv, const struct phase *p, struct str list)
{
	if (sv->phase == 0) {
		if (sv->listing == NULL)
			sv->listing = toolset_new(sv->name);
		toolset_add_page(sv->listing, list);
		return;
	}
	if (sv->offering == NULL)
		sv->offering = offerset_new(sv->name, p->kind);
	offerset_add_page(sv->offering, list);
}

/* A cursor that comes again would go round for ever. */
static bool
page_more(struct server *sv, struct str result)
{
	struct str next;

	if (!json_get(result, STR("nextCursor"), &next) || json_kind(next) != JSON_STRING ||
	    next.n >= sizeof(sv->cursor) || str_eq(next, str_of(sv->cursor)) ||
	    str_eq(next, str_of(sv->last_cursor)) || ++sv->pages >= PAGES_MAX)
		return false;
	(void)str_copy(sv->last_cursor, sizeof(sv->last_cursor), str_of(sv->cursor));
	(void)str_copy(sv->cursor, sizeof(sv->cursor), next);
	return true;
}

static void
on_page(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;
	const struct phase *p = &phases[sv->phase < (int)COUNT(phases) ? sv->phase : 0];
	struct str list = STR_NONE;

	if ((sv->state != SERVER_LISTING && sv->state != SERVER_READY) || !sv->reading)
		return;
	if (e != NULL || r->result.p == NULL || !json_get(r->result, str_of(p->member), &list) ||
	    json_kind(list) != JSON_ARRAY) {
		page_failed(sv, r, e);
		return;
	}
	page_take(sv, p, list);
	if (page_more(sv, r->result)) {
		page_ask(sv);
		return;
	}
	if (sv->phase == 0)
		hub_take_tools(sv->hub, sv);
	else
		hub_take_offers(sv->hub, sv, p->kind);
	phase_next(sv);
}

static void
page_ask(struct server *sv)
{
	char params[sizeof(sv->cursor) + 32];
	int n = 0;

	if (sv->cursor[0] != '\0')
		n = snprintf(params, sizeof(params), "\"cursor\":%s", sv->cursor);
	(void)server_ask_own(sv, phases[sv->phase].method,
	    (struct str){ params, n > 0 ? (size_t)n : 0 },
	    sv->s->list_ms > 0 ? sv->s->list_ms : LIST_MS, on_page);
}

void
listing_start(struct server *sv)
{
	if (sv->reading)
		return;
	sv->reading = true;
	sv->phase = -1;
	phase_next(sv);
}

void
listing_changed(struct server *sv)
{
	int64_t now = loop_mono_ms(sv->loop), wait = sv->listed_ms + REFRESH_SPACE_MS - now;

	if (sv->state == SERVER_LISTING || sv->reading) {
		sv->stale = true;
		return;
	}
	if (wait < REFRESH_AFTER_MS)
		wait = REFRESH_AFTER_MS;
	if (sv->state == SERVER_READY && sv->timer.due_ms - now > wait)
		timer_set(sv->loop, &sv->timer, wait, again, sv);
}
