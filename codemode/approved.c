/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approved - `plan: destructive` (or writes) of a policy: what a script would destroy is put before
 * people as one list, and then done as it was listed.
 *
 *   a call that needs it --no approved plan--> written down, answered with {}; from then on nothing
 *                                              that may change something is made
 *     script ends --> the list is asked for at the gate --> "paused run r41: needs approval d_…"
 *     lua{code="", resume="r41"} --granted--> the same script, for real: each call must be the next
 *                                             of the list in its branch, else it is refused
 *
 * The request for approval is one of policies/approval.c: of this key, this code, this list (with
 * the digest of each call's arguments) and this revision of the policies, used once, for a time.
 * The run is brought back by its journal like any paused one (resume.c): the same seed, time, S and
 * last, and the reads that it made before its first destructive call answered as they were.  What
 * it does otherwise than in the plan (it can: destructive calls answer differently now) can only
 * end in a refusal.  Order is kept within a branch of pmap; a call left out refuses those after it.
 */
#include "codemode/approved.h"

#include <stdlib.h>

#include "base/json.h"
#include "codemode/leg.h"
#include "codemode/signature.h"

#define SHOWN_BYTES 300 /* of one call's arguments, for the model */
#define LIST_BYTES  8000
#define GRANTED_MAX 1000

struct granted { /* one call of an approved plan */
	struct str place, tool, digest;
	bool used;
};
struct approved {
	struct buf doc, list; /* the plan's calls as JSON; as lines */
	size_t n, more;       /* written down; not in the list */
	bool full;            /* one more did not fit */
	struct granted *granted;
	size_t granted_n;
	uint32_t next_id; /* the call that is the next of the plan; 0: none is */
};

static struct approved *
own(struct run *r)
{
	if (r->approved == NULL) {
		r->approved = mem_zalloc(sizeof(*r->approved));
		buf_init(&r->approved->doc, PAST_PLAN_BYTES - 200); /* room for what is around */
		buf_init(&r->approved->list, 0);
	}
	return r->approved;
}

void
approved_fini(struct run *r)
{
	if (r->approved == NULL)
		return;
	buf_fini(&r->approved->doc);
	buf_fini(&r->approved->list);
	free(r->approved->granted);
	MEM_FREE(&r->approved);
}

static void
digest_put(struct buf *out, struct str s)
{
	struct sha256 d;

	sha256(&d, s);
	buf_hex(out, d.b, SHA256_BYTES);
}

static void
place_put(struct buf *out, const struct run *r)
{
	uint32_t fan = 0, branch = 0;

	sandbox_call_place(r->worker, &fan, &branch);
	buf_printf(out, "%u.%u", fan, branch);
}

/* ---- the gate ---- */

static struct via
via_of(const struct run *r)
{
	return (struct via){ view_of(r->c.view), r->c.client };
}

bool
approved_needs(const struct run *r, const struct tool *t)
{
	const struct via via = via_of(r);

	return rules_plans(r->cm->core, r->c.key, &via, t->policy_name);
}

/* Granted, and with that used; else *e, and *id of the request that waits ("" = none does). */
static bool
gate_asked(struct run *r, struct str plan, char id[APPROVAL_ID_BYTES + 1], struct err *e)
{
	const struct ask a = { .kind = ASK_RUN,
		.name = STR(RULES_PLAN),
		.requested = STR(RULES_PLAN),
		.args = plan,
		.parent = r->c.pass,
		.session = r->c.session,
		.tool_use = r->c.tool_use,
		.client = r->c.client,
		.address = r->c.address,
		.view = via_of(r).view };

	return gate_pass_once(r->cm->core, r->c.key, &a, id, e);
}

/* ---- a plan that was approved ---- */

static bool
granted_read(struct run *r, struct str plan)
{
	struct approved *w = own(r);
	struct json_iter it;
	struct str calls, key, one;

	if (!json_get(plan, STR("calls"), &calls) || !json_open(calls, &it))
		return false;
	w->granted = mem_zalloc(GRANTED_MAX * sizeof(*w->granted));
	while (w->granted_n < GRANTED_MAX && json_next(&it, &key, &one)) {
		struct granted *g = &w->granted[w->granted_n++];
		struct str place, tool, digest;

		if (!json_get(one, STR("place"), &place) || !json_get(one, STR("tool"), &tool) ||
		    !json_get(one, STR("sha256"), &digest) ||
		    !json_string(place, &r->arena, &g->place) ||
		    !json_string(tool, &r->arena, &g->tool) ||
		    !json_string(digest, &r->arena, &g->digest))
			return false;
	}
	return w->granted_n > 0;
}

/* A yes is for the policies under which it was asked. */
static bool
still_granted(const struct run *r)
{
	const struct past *p = r->past;
	struct str rev;

	return p->plan_ok && json_get(buf_str(&p->plan), STR("rev"), &rev) &&
	       json_string_is(rev, core_revision(r->cm->core));
}

bool
approved_begin(struct run *r, struct err *e)
{
	char id[APPROVAL_ID_BYTES + 1];
	struct past *p = r->past;

	if (p == NULL || p->plan.n == 0 || r->replay)
		return true;
	if (r->leg.mode != LEG_EXACT) { /* other code, other snippets: another plan */
		past_plan(p, STR(""));
		return true;
	}
	if (!still_granted(r)) {
		past_plan_ok(p, false);
		if (gate_asked(r, buf_str(&p->plan), id, e))
			past_plan_ok(p, true);
		else if (id[0] != '\0')
			(void)err_set(e, ERR_INVALID,
			    "run %s waits for the approval of its plan, %s: a person says yes or "
			    "no (tollgate approve ID); then call lua{code=\"\", resume=\"%s\"} "
			    "again",
			    p->id, id, p->id);
	}
	if (!p->plan_ok)
		return false;
	return granted_read(r, buf_str(&p->plan)) ||
	       err_set(e, ERR_INTERNAL, "the plan of run %s cannot be read", p->id);
}

void
approved_look(struct run *r, uint32_t id, const struct tool *t, struct str args)
{
	struct approved *w = r->approved;
	char text[32], hex[2 * SHA256_BYTES + 1];
	struct buf place = { .p = text, .cap = sizeof(text), .limit = sizeof(text) };
	struct buf digest = { .p = hex, .cap = sizeof(hex), .limit = sizeof(hex) };

	if (w == NULL || w->granted_n == 0 || !approved_needs(r, t))
		return;
	w->next_id = 0;
	place_put(&place, r);
	digest_put(&digest, args);
	for (size_t i = 0; i < w->granted_n; i++) {
		struct granted *g = &w->granted[i];

		if (g->used || !str_eq(g->place, buf_str(&place)))
			continue;
		if (str_eq(g->tool, t->policy_name) && str_eq(g->digest, buf_str(&digest))) {
			g->used = true;
			w->next_id = id;
		}
		return; /* the next of this branch, and no other */
	}
}

/* ---- a plan that is made ---- */

/* Arguments as rules let them be seen: people read them, webhooks carry them. */
static void
arguments_put(struct run *r, const struct tool *t, struct str args, struct buf *out)
{
	const struct via via = via_of(r);
	struct redact_counts counts = { 0 };
	struct redaction rules;
	struct buf changed;
	struct str seen = args;

	buf_init(&changed, 2 * PAST_PLAN_BYTES);
	if (rules_redact(r->cm->core, r->c.key, &via, ASK_TOOL, t->policy_name, &rules) &&
	    rules.any_args)
		seen = redact_json(r->cm->core, rules.args, args, &changed, &counts);
	buf_put(out, seen.p != NULL ? seen : STR("{}"));
	buf_fini(&changed);
}

static void
record(struct run *r, uint32_t id, const struct tool *t, struct str args)
{
	struct approved *w = own(r);
	size_t at = w->doc.n, list_at = w->list.n;

	if (w->n > 0)
		buf_putc(&w->doc, ',');
	buf_puts(&w->doc, "{\"tool\":");
	buf_json_str(&w->doc, t->policy_name);
	buf_puts(&w->doc, ",\"arguments\":");
	arguments_put(r, t, args, &w->doc);
	buf_puts(&w->doc, ",\"place\":\"");
	place_put(&w->doc, r);
	buf_puts(&w->doc, "\",\"sha256\":\"");
	digest_put(&w->doc, args);
	buf_puts(&w->doc, "\"}");
	if (!buf_ok(&w->doc) || w->n == GRANTED_MAX) {
		w->doc.n = at;
		w->doc.failed = false;
		w->full = true;
	} else {
		w->n++;
	}
	if (list_at < LIST_BYTES && !w->full) {
		buf_puts(&w->list, "\n  ");
		signature_put_path(&w->list, t);
		buf_put(&w->list, str_clip(args, SHOWN_BYTES));
		buf_puts(&w->list, args.n > SHOWN_BYTES ? "…" : "");
	} else {
		w->more++;
	}
	sandbox_answer(r->worker, id, FRAME_OK, STR("{}"));
}

static void
refuse(struct run *r, uint32_t id, const struct tool *t)
{
	struct buf b, text;

	buf_init(&b, 0);
	buf_init(&text, 0);
	signature_put_path(&text, t);
	buf_puts(&text,
	    ": this call is not the next of the plan that was approved (policies want each "
	    "destructive call looked at): the script did something else than in its "
	    "plan. Leave the call out, or run the script again without resume for a "
	    "new plan");
	buf_puts(&b, "{\"code\":\"denied\",\"message\":");
	buf_json_str(&b, buf_str(&text));
	buf_putc(&b, '}');
	leg_answer(r, id, FRAME_ERROR, buf_str(&b));
	buf_fini(&text);
	buf_fini(&b);
}

bool
approved_takes(struct run *r, uint32_t id, const struct tool *t, struct str args)
{
	struct approved *w = r->approved;
	const bool needs = approved_needs(r, t);
	const bool planning = w != NULL && w->granted_n == 0;

	if (r->plan || r->replay || (!needs && (!planning || t->readonly)))
		return false;
	if (!planning && w != NULL) {
		if (w->next_id != id) {
			refuse(r, id, t);
			return true;
		}
		/* From here on the world is another than in the plan. */
		r->leg.diverged = true;
		return false;
	}
	if (needs) {
		record(r, id, t, args);
		return true;
	}
	sandbox_answer(r->worker, id, FRAME_OK, STR("{}")); /* made when the plan is */
	return true;
}

/* ---- its end ---- */

static bool
is_plan(const struct run *r)
{
	return r->approved != NULL && r->approved->granted_n == 0;
}

static void
list_put(const struct run *r, struct buf *out)
{
	const struct approved *w = r->approved;

	buf_printf(out, "%zu call%s:", w->n, w->n == 1 ? "" : "s");
	buf_put(out, buf_str(&w->list));
	if (w->more > 0)
		buf_printf(out, "\n  and %zu more", w->more);
}

void
approved_put(const struct run *r, struct buf *out)
{
	if (!is_plan(r))
		return;
	buf_puts(out, "This was a plan, which people have to approve first: destructive calls were "
		      "answered with {} and not made, ");
	list_put(r, out);
	buf_puts(out, "\n");
}

/* Calls first: people are shown the beginning. */
static void
plan_put(const struct run *r, struct buf *out)
{
	buf_puts(out, "{\"calls\":[");
	buf_put(out, buf_str(&r->approved->doc));
	buf_puts(out, "],\"code\":\"");
	digest_put(out, buf_str(&r->past->source));
	buf_puts(out, "\",\"rev\":");
	buf_json_str(out, core_revision(r->cm->core));
	buf_putc(out, '}');
}

bool
approved_ask(struct run *r)
{
	char id[APPROVAL_ID_BYTES + 1] = "";
	struct buf plan, text;
	bool granted = false;
	struct err e = { .text = "" };

	if (!is_plan(r) || r->past == NULL)
		return false;
	buf_init(&plan, PAST_PLAN_BYTES);
	buf_init(&text, 0);
	plan_put(r, &plan);
	if (r->approved->full)
		(void)err_set(&e, ERR_TOO_LARGE,
		    "the plan is too large (%d calls, %zu KiB): do it in several scripts",
		    GRANTED_MAX, PAST_PLAN_BYTES >> 10);
	else
		granted = gate_asked(r, buf_str(&plan), id, &e);
	if (granted || id[0] != '\0') {
		past_plan(r->past, buf_str(&plan));
		past_plan_ok(r->past, granted);
	}
	if (granted)
		buf_printf(&text, "paused run %s: its plan is approved already. ", r->past->id);
	else if (id[0] != '\0')
		buf_printf(&text, "paused run %s: its plan needs approval %s. ", r->past->id, id);
	else
		buf_printf(&text, "error: the plan of this script was refused: %s\n", e.text);
	buf_puts(&text,
	    "Policies want destructive calls looked at before they are made; nothing of "
	    "this has been done, ");
	list_put(r, &text);
	if (id[0] != '\0')
		buf_puts(&text, "\nA person says yes or no (tollgate approve ID).");
	if (granted || id[0] != '\0')
		buf_printf(&text,
		    "\nThen call lua{code=\"\", resume=\"%s\"}: the script runs for real, and may "
		    "make these calls and no other destructive ones.",
		    r->past->id);
	run_finish(r, &(struct run_end){ .end = granted || id[0] != '\0' ? "PAUSED" : "RUNTIME",
			  .error = !granted && id[0] == '\0',
			  .text = buf_str(&text) });
	buf_fini(&text);
	buf_fini(&plan);
	return true;
}
