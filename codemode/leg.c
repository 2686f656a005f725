/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leg - the calls of one leg of a run, answered from what the run has done, or made.
 *
 *   leg_call() --nothing like it is done--> the caller makes it: leg_sent() … leg_answer()
 *        \--it was--> its answer, when its turn has come; or why it is not made again
 *
 * A place is the branch of a pmap and the how-manieth call there, never the order of arrival; so
 * code that runs in parallel is repeated, too.
 *
 * What a fixed script must never do is repeat a write.  So a completed call of a tool that is not
 * known to only read answers the same call (tool and arguments) wherever the fixed script makes it,
 * also after the first difference, each once; reads are made again after it, because the world may
 * have changed.  What was sent and never answered is not sent again either: the script gets
 * `unknown_outcome` and a person or a model has to look.  Refused and failed calls are made again.
 *
 * An answer from the journal passed the gate when it was made; it is not charged again, and only
 * given for a tool that the key may still use.
 */
#include "codemode/leg.h"

#include <stdlib.h>
#include <string.h>

#include "codemode/signature.h"

#define CLEAN_BYTES ((size_t)1 << 20) /* an answer that is redacted anew */

/* ---- a call ---- */

static struct step *
step_of(const struct run *r, uint32_t id)
{
	ASSERT(id > 0 && id <= r->leg.calls);
	return &r->past->steps[r->leg.at[id - 1]];
}

static uint32_t
nth_at(const struct run *r, uint32_t fan, uint32_t branch)
{
	uint32_t n = 1;

	for (size_t i = 0; i < r->leg.calls; i++) {
		const struct step *s = &r->past->steps[r->leg.at[i]];

		n += s->fan == fan && s->branch == branch;
	}
	return n;
}

struct asked { /* one call, as the script makes it now */
	uint32_t fan, branch, nth;
	struct str tool, args;
	struct sha256 digest;
	bool mutates;
};

static bool
same_call(const struct step *s, const struct asked *a)
{
	return str_eq(str_of(s->tool), a->tool) &&
	       memcmp(s->args.b, a->digest.b, SHA256_BYTES) == 0;
}

/* What was done at this place in the last leg; NULL: nothing, or it is taken. */
static struct step *
at_place(struct past *p, const struct asked *a)
{
	for (size_t i = 0; i < p->n; i++) {
		struct step *s = &p->steps[i];

		if (s->id == 0 && s->nth == a->nth && s->fan == a->fan && s->branch == a->branch)
			return s;
	}
	return NULL;
}

/* The same write, done anywhere. */
static struct step *
done_write(struct past *p, const struct asked *a)
{
	for (size_t i = 0; i < p->n; i++) {
		struct step *s = &p->steps[i];

		if (s->id == 0 && s->mutates && same_call(s, a) &&
		    (s->state == STEP_DONE || s->state == STEP_LOST))
			return s;
	}
	return NULL;
}

static struct step *
match(struct run *r, const struct asked *a)
{
	struct step *s;

	if (r->leg.mode == LEG_FRESH)
		return NULL;
	s = at_place(r->past, a);
	if (s != NULL && !same_call(s, a)) {
		r->leg.diverged = true;
		s = NULL;
	}
	if (s != NULL && r->leg.diverged && !s->mutates)
		s = NULL;
	return s == NULL && a->mutates ? done_write(r->past, a) : s;
}

static void
take(struct run *r, struct step *s, const struct asked *a, uint32_t id)
{
	struct leg *l = &r->leg;

	s->fan = a->fan;
	s->branch = a->branch;
	s->nth = a->nth;
	s->mutates = a->mutates;
	s->id = id;
	s->ready = s->error = false;
	if (l->calls == l->cap) {
		l->cap = l->cap == 0 ? 32 : l->cap * 2;
		l->at = mem_realloc(l->at, l->cap * sizeof(*l->at));
	}
	ASSERT(id == l->calls + 1);
	l->at[l->calls++] = (size_t)(s - r->past->steps);
}

/* ---- answers ---- */

static void
give(struct run *r, struct step *s, int flags, struct str json)
{
	s->order = ++r->leg.given;
	s->ready = false;
	past_save_step(r->past, s);
	sandbox_answer(r->worker, s->id, flags, json);
}

static int
flags_of(const struct step *s)
{
	return s->state == STEP_DONE && !s->error ? FRAME_OK : FRAME_ERROR;
}

/* Which answer is next?  While the last leg is repeated, the one that was given then. */
static struct step *
next_ready(const struct run *r)
{
	const struct leg *l = &r->leg;
	const bool ordered = l->mode >= LEG_EXACT && !l->diverged && l->given < l->before;

	for (size_t i = 0; i < l->calls; i++) {
		struct step *s = &r->past->steps[l->at[i]];

		if (s->ready && (!ordered || s->was == l->given + 1))
			return s;
	}
	return NULL;
}

static void
pump(struct run *r)
{
	struct step *s;

	while ((s = next_ready(r)) != NULL) {
		struct str json = s->held != NULL ? (struct str){ s->held, s->held_n }
						  : (struct str){ s->answer, s->answer_n };
		char *held = s->held;

		s->held = NULL;
		give(r, s, flags_of(s), json);
		free(held);
	}
}

static void
refuse(struct run *r, struct step *s, const char *code, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "{\"code\":\"%s\",\"message\":\"%s\"}", code, text);
	give(r, s, FRAME_ERROR, buf_str(&b));
	buf_fini(&b);
}

static void
not_known(struct run *r, struct step *s)
{
	refuse(r, s, "unknown_outcome",
	    "it was sent earlier in this run and its answer was lost: look whether it was done, "
	    "then leave the call out (or make it in a script without resume)");
}

/* A replay cannot go on: it ends here, and says why. */
static void
stop(struct run *r, const struct asked *a, const struct step *was)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "call %zu, ", r->leg.calls);
	leg_put_tool(r, a->tool, &b);
	buf_put(&b, str_clip(a->args, PAST_SHOWN_BYTES));
	if (was == NULL) {
		buf_puts(&b, ", was not made then");
	} else if (same_call(was, a)) {
		buf_puts(&b, ", had no answer then");
	} else {
		buf_puts(&b, ", was then ");
		leg_put_tool(r, str_of(was->tool), &b);
		buf_puts(&b, was->shown);
	}
	(void)str_copy(r->leg.stop, sizeof(r->leg.stop), str_clip(buf_str(&b), LEG_STOP_BYTES - 1));
	sandbox_end(r->worker, SANDBOX_RUNTIME, str_of(r->leg.stop));
	buf_fini(&b);
}

/* A call that the last leg made, too: true, it has its answer. */
static bool
again(struct run *r, struct step *s)
{
	const bool exact = r->leg.mode >= LEG_EXACT && !r->leg.diverged;

	if (s->state == STEP_LOST && s->mutates && (!exact || s->was == 0)) {
		not_known(r, s);
		return true;
	}
	if ((s->state == STEP_DONE || (exact && s->was > 0)) && s->answer != NULL) {
		r->leg.replayed++;
		s->ready = true;
		pump(r);
		return true;
	}
	if (s->state == STEP_DONE && s->mutates) {
		refuse(r, s, "not_kept",
		    "it was done earlier in this run, and its answer was not kept (too large, or "
		    "withheld): read what it did instead");
		return true;
	}
	if (!exact)
		r->leg.diverged = true; /* it is made again, and may end in another way */
	s->state = STEP_OPEN;
	return false;
}

/*
 * The policies of now: is the call allowed, and what of the answer may be seen?  That is what is
 * kept from then on.  A replay is the operator's, and shows what was.
 */
static bool
may_still(struct run *r, struct step *s, const struct tool *t, struct str args)
{
	const struct ask ask = { .kind = ASK_TOOL,
		.name = t->policy_name,
		.args = args,
		.view = view_of(r->c.view),
		.client = r->c.client };
	const struct via via = { ask.view, ask.client };
	struct redact_counts counts = { 0 };
	struct redaction now;
	struct str json;
	struct buf clean;
	bool ok;

	if (!rules_may_call(r->cm->core, r->c.key, &ask))
		return false;
	if (s->answer == NULL || r->leg.mode == LEG_REPLAY ||
	    !rules_redact(r->cm->core, r->c.key, &via, ASK_TOOL, t->policy_name, &now) ||
	    !now.any_result)
		return true;
	buf_init(&clean, CLEAN_BYTES);
	json = redact_json(
	    r->cm->core, now.result, (struct str){ s->answer, s->answer_n }, &clean, &counts);
	ok = json.p != NULL && counts.blocked == NULL;
	if (ok && json.p != s->answer)
		(void)past_answer(r->past, s, json);
	buf_fini(&clean);
	return ok;
}

static bool
replay_fits(struct run *r, const struct asked *a, const struct step *s)
{
	const struct step *was = s != NULL ? s : at_place(r->past, a);

	if (s != NULL && !r->leg.diverged && s->was > 0 && s->answer != NULL)
		return true;
	stop(r, a, was);
	return false;
}

bool
leg_call(struct run *r, uint32_t id, struct str tool, const struct tool *t, struct str args)
{
	struct asked a = { .tool = tool, .args = args, .mutates = t != NULL && !t->readonly };
	struct step *s;
	bool old;

	if (r->past == NULL)
		return false;
	sandbox_call_place(r->worker, &a.fan, &a.branch);
	a.nth = nth_at(r, a.fan, a.branch);
	sha256(&a.digest, args);
	s = match(r, &a);
	if (r->leg.mode == LEG_REPLAY && !replay_fits(r, &a, s))
		return true;
	old = s != NULL;
	if (!old)
		s = past_add(r->past, tool, &a.digest, str_clip(args, PAST_SHOWN_BYTES));
	take(r, s, &a, id);
	if (old && t != NULL && !may_still(r, s, t, args)) {
		refuse(r, s, "denied", "the policies do not allow this call any more");
		return true;
	}
	return old && again(r, s);
}

void
leg_sent(struct run *r, uint32_t id)
{
	struct step *s;

	if (r->past == NULL)
		return;
	s = step_of(r, id);
	s->state = STEP_SENT;
	if (s->mutates)
		past_save_step(r->past, s);
}

void
leg_held(struct run *r, uint32_t id, bool held)
{
	struct step *s;

	if (r->past == NULL)
		return;
	if (!held) {
		leg_sent(r, id);
		return;
	}
	s = step_of(r, id);
	s->state = STEP_OPEN;
	if (s->mutates)
		past_save_step(r->past, s); /* that it was sent is there already */
}

void
leg_lost(struct run *r, uint32_t id)
{
	struct step *s = r->past != NULL ? step_of(r, id) : NULL;

	if (s != NULL && s->state == STEP_SENT)
		s->state = STEP_LOST;
}

static void
answer(struct run *r, uint32_t id, int flags, struct str json, bool handles)
{
	struct step *s;

	if (r->past == NULL) {
		sandbox_answer(r->worker, id, flags, json);
		return;
	}
	s = step_of(r, id);
	if (s->state != STEP_LOST)
		s->state = flags == FRAME_OK || s->error ? STEP_DONE : STEP_FAILED;
	if ((handles && !s->mutates) || s->error || !past_answer(r->past, s, json)) {
		s->held = str_dup(json);
		s->held_n = json.n;
	}
	s->ready = true;
	pump(r);
}

void
leg_made(struct run *r, uint32_t id)
{
	if (r->past != NULL)
		step_of(r, id)->error = true;
}

void
leg_answer(struct run *r, uint32_t id, int flags, struct str json)
{
	answer(r, id, flags, json, false);
}

void
leg_answer_handles(struct run *r, uint32_t id, struct str json)
{
	answer(r, id, FRAME_OK, json, true);
}

/* ---- telling ---- */

void
leg_put_tool(const struct run *r, struct str tool, struct buf *out)
{
	const struct tool *t = hub_find_tool(r->cm->hub, tool);
	struct str server;

	if (t != NULL) {
		signature_put_path(out, t);
		return;
	}
	server = str_cut(&tool, '/');
	buf_put(out, server);
	if (tool.p != NULL)
		buf_putc(out, '.');
	buf_put(out, tool);
}
