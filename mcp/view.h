/* SPDX-License-Identifier: Apache-2.0 */
/* view - all servers' lists as one, and what one key sees of it. */
#pragma once

#include "mcp/hub.h"

enum view_list { VIEW_PROMPTS, VIEW_RESOURCES, VIEW_TEMPLATES, VIEW_TOOLS, VIEW_LISTS };
struct view {
	char id[96]; /* the key's, and the declared view's name */
	const struct view_settings *of;
	uint64_t generation;
	enum code_mode code_mode; /* scripts.c: what holds for this key here */
	bool scripts;             /* are `lua` and `tools` listed, and to be called? */
	bool alone;               /* without the tools that they call */
	const struct tool **tools;
	size_t tools_n;
	const struct offer **offers[OFFER_KINDS]; /* by the first three of enum view_list */
	size_t offers_n[OFFER_KINDS];
	uint64_t print[VIEW_LISTS]; /* of everything listed, built-ins included: did it change? */
};
/* Memoised by the hub's generation; valid until the next turn. */
const struct view *hub_view(struct hub *h, struct key *k, const struct view_settings *of);
const struct view_settings *hub_find_view(const struct hub *h, struct str name);
size_t view_count(const struct view *v, enum view_list list);
/* Row i as this key sees it: a tool with what its policies say of the arguments. */
void view_put(struct buf *out, struct hub *h, struct key *k, const struct view *v,
    enum view_list list, size_t i);
bool view_has(const struct view *v, struct str server); /* anything of it */
void hub_views_drop(struct hub *h);

/* ---- scripts.c ---- */

enum code_mode scripts_mode(const struct hub *h, struct key *k, const struct view_settings *of);
/* Fills in what a view says of scripts; its tools are there. */
void scripts_settle(struct hub *h, struct key *k, struct view *v);
struct scripts_shown {
	bool scripts, alone;
};
/* What one request lists.  asked: its header tollgate-code-mode, or ""; never more for it. */
struct scripts_shown
scripts_shown(struct hub *h, struct key *k, const struct view *v, struct str asked);

/* The catalogue or somebody's view changed. */
void hub_changed(struct hub *h);
/* What is served of a server's tools is another set now; takes over a reference. */
void hub_serve(struct hub *h, struct server *sv, struct toolset *set);
/* sv->offering is complete. */
void hub_take_offers(struct hub *h, struct server *sv, enum offer_kind kind);

/* Whose is it?  `own` gets the name or URI as the server spells it.  NULL: nobody's. */
struct server *hub_find_prompt(struct hub *h, struct str listed, struct buf *own);
struct server *hub_find_resource(struct hub *h, struct str listed, struct buf *own);
/* Of a server's own URI: how clients see it. */
void hub_put_uri(struct hub *h, struct buf *out, const struct server *sv, struct str uri);
/* The result with its URIs as clients see them; `scratch` holds the bytes when they change.  p ==
 * NULL: there they do not fit. */
struct str
hub_wrap_result(struct hub *h, const struct server *sv, struct str result, struct buf *scratch);
