/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scripts - how scripts are offered: who says it, and what is then listed.
 *
 *	settings of the place   `mcp: { code_mode }` of /mcp, `code_mode` of a view of its path
 *	policies                the narrowest of those that apply to the key: overrules the place
 *	header                  tollgate-code-mode of one request: less of what that comes to
 *
 * A place without scripts (`off`, and a view that does not say) gets none by a policy: what a place
 * has is whose file it is, how a key is offered it is the policies'.  All is settled when a view is
 * filled, so a list costs nothing more for it, and a change raises list_changed as others do.
 */
#include "mcp/view.h"

#define FEW_TOOLS 15   /* auto lists so many beside `lua` */
#define FEW_BYTES 8000 /* of their definitions: some 2,000 tokens */

static enum code_mode
place_mode(const struct hub *h, const struct view_settings *of)
{
	if (of == NULL)
		return h->code_mode;
	return of->code_mode == CODE_MODE_UNSAID ? CODE_MODE_OFF : of->code_mode;
}

enum code_mode
scripts_mode(const struct hub *h, struct key *k, const struct view_settings *of)
{
	enum code_mode place = place_mode(h, of);
	struct code_said said;

	if (place == CODE_MODE_OFF)
		return place;
	rules_code_mode(h->core, k, view_of(of), &said);
	return said.mode != CODE_MODE_UNSAID ? said.mode : place;
}

static bool
is_small(struct hub *h, struct key *k, const struct view *v)
{
	bool small = v->tools_n <= FEW_TOOLS;
	struct buf b;

	buf_init(&b, FEW_BYTES);
	for (size_t i = 0; i < v->tools_n && small; i++) {
		view_put(&b, h, k, v, VIEW_TOOLS, i);
		small = buf_ok(&b);
	}
	buf_fini(&b);
	return small;
}

static bool
scripts_visible(const struct hub *h, struct key *k, struct str view)
{
	for (size_t i = 0; i < h->builtins_n; i++)
		if (h->builtins[i].visible(h->builtins[i].ctx, k, view))
			return true;
	return false;
}

void
scripts_settle(struct hub *h, struct key *k, struct view *v)
{
	v->code_mode = scripts_mode(h, k, v->of);
	v->scripts = v->code_mode != CODE_MODE_OFF && scripts_visible(h, k, view_of(v->of));
	v->alone = v->scripts && (v->code_mode == CODE_MODE_ONLY ||
				     (v->code_mode == CODE_MODE_AUTO && !is_small(h, k, v)));
}

struct scripts_shown
scripts_shown(struct hub *h, struct key *k, const struct view *v, struct str asked)
{
	struct scripts_shown s = { .scripts = v->scripts, .alone = v->alone };

	if (!s.scripts || s.alone)
		return s; /* there is nothing less than this */
	asked = str_trim(asked);
	if (str_ieq(asked, STR("only")))
		s.alone = true;
	else if (str_ieq(asked, STR("auto")))
		s.alone = !is_small(h, k, v);
	else if (str_ieq(asked, STR("off")))
		s.scripts = false;
	return s;
}

void
hub_code_offer(struct hub *h, struct key *k, const struct view_settings *of, struct code_offer *out)
{
	const struct view *v = hub_view(h, k, of);

	*out = (struct code_offer){
		.mode = v->code_mode, .scripts = v->scripts, .alone = v->alone, .tools = v->tools_n
	};
	if (place_mode(h, of) != CODE_MODE_OFF)
		rules_code_mode(h->core, k, view_of(of), &out->said);
	else
		out->said = (struct code_said){ .policy = STR(""), .where = STR("") };
}

void
code_offer_put(const struct code_offer *o, struct buf *out)
{
	buf_printf(out, "code_mode %s", code_mode_word(o->mode));
	if (o->said.mode != CODE_MODE_UNSAID && o->said.opaque)
		buf_puts(out, " by policy");
	else if (o->said.mode != CODE_MODE_UNSAID)
		buf_printf(out, " by policy " STR_FMT ":%d", STR_ARG(o->said.policy), o->said.line);
	if (!o->scripts)
		return;
	buf_printf(out, o->alone ? ": of %zu tools none is listed" : ": %zu tools are listed, too",
	    o->tools);
}
