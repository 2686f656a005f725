/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume - how a run goes on.
 *
 *   lua{code, resume="r41"}  RETRY   from the start, with the code; completed calls at the same
 *                                    place with the same arguments are answered from the journal,
 *                                    until one differs
 *   lua{code="", resume=…}   EXACT   of a paused run: the same code, seed, time, S and last, and
 *                                    the same answers in the same order, so it comes to where it
 *                                    stopped; then it goes on
 *   script replay            REPLAY  likewise, on a copy, and stops at what was not done then
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
#include "codemode/resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "codemode/signature.h"
#include "codemode/snippet.h"
#include "codemode/state.h"

#define DONE_NAMES_MAX 20
#define CLEAN_BYTES    ((size_t)1 << 20) /* an answer that is redacted anew */

/* ---- the start ---- */

static bool
resumed(struct run *r, struct past *p, struct str code, struct str *source, struct err *e)
{
	const bool same = str_trim(code).n == 0 || str_eq(code, buf_str(&p->source));

	if (p->state == PAST_RUNNING)
		return err_set(e, ERR_INVALID, "run %s is still running: wait for its end", p->id);
	if (p->state == PAST_DONE && r->c.token.n > 0)
		return err_set(e, ERR_INVALID,
		    "this script has ended: its result was the answer to an earlier request");
	if (p->state == PAST_DONE && !r->replay)
		return err_set(e, ERR_INVALID,
		    "run %s has ended well: there is nothing to resume (leave resume out)", p->id);
	r->leg.paused = p->state == PAST_PAUSED;
	r->leg.mode = r->replay ? LEG_REPLAY : same && r->leg.paused ? LEG_EXACT : LEG_RETRY;
	r->past = r->replay ? past_copy(p) : p;
	p = r->past;
	if (!r->replay)
		past_resume(p, same ? STR_NONE : code);
	*source = buf_str(&p->source);
	for (size_t i = 0; i < p->n; i++) {
		struct step *s = &p->steps[i];

		s->was = s->order;
		s->order = s->id = 0;
		if (s->was > r->leg.before)
			r->leg.before = s->was;
	}
	return true;
}

/* The client was asked something by another gateway, and has come back to this one. */
static bool
come_back(struct run *r, struct str code, struct str *source, struct err *e)
{
	struct past *p = past_find(r->cm, r->c.key, &r->c.session, r->c.token);

	if (p != NULL)
		return resumed(r, p, code, source, e);
	return err_set(e, ERR_INVALID,
	    "the gateway was restarted while this script waited, and nothing of it has been kept: "
	    "look what it has done before you call it again");
}

bool
leg_begin(struct run *r, struct str code, struct str *source, struct err *e)
{
	struct str raw, id;
	struct past *p;

	*source = code;
	if (r->plan)
		return true;
	if (r->c.token.n > 0)
		return come_back(r, code, source, e);
	if (!json_get(r->c.args, STR("resume"), &raw) || json_kind(raw) == JSON_NULL ||
	    (json_kind(raw) == JSON_STRING && raw.n == 2)) {
		if (code.n <= FRAME_SOURCE_MAX)
			r->past = past_new(r->cm, r->c.key, r->c.session, code);
		return true;
	}
	if (!json_string(raw, &r->arena, &id))
		return err_set(e, ERR_INVALID, "`resume` is the id of a run, a string");
	if (code.n > FRAME_SOURCE_MAX)
		return err_set(
		    e, ERR_INVALID, "the script is too large (limit %u bytes)", FRAME_SOURCE_MAX);
	p = past_find(r->cm, r->c.key, r->replay ? NULL : &r->c.session, id);
	if (p == NULL)
		return err_set(e, ERR_INVALID,
		    "there is no run \"" STR_FMT "\" of this session (what is kept has an end): "
		    "pass the whole script without resume",
		    STR_ARG(str_clip(id, 40)));
	return resumed(r, p, code, source, e);
}

/* With other snippets it is another script, which cannot be brought to where it stopped: what is
 * done is kept, and the rest is found out anew. */
void
leg_snippets(struct run *r)
{
	struct past *p = r->past;
	struct buf changed;

	r->changed = STR("");
	if (p == NULL)
		return;
	buf_init(&changed, 0);
	if (r->leg.mode != LEG_FRESH)
		snippets_put_changed(buf_str(&p->snippets), r->versions, &changed);
	if (changed.n > 0)
		r->changed = arena_str(&r->arena, buf_str(&changed));
	if (changed.n > 0 && r->leg.mode == LEG_EXACT)
		r->leg.mode = LEG_RETRY;
	buf_fini(&changed);
	past_snippets(p, r->versions);
}

void
leg_put_changed(const struct run *r, struct buf *out)
{
	if (r->changed.n > 0)
		buf_printf(out, "snippets have changed since this run began: " STR_FMT "\n",
		    STR_ARG(r->changed));
}

/* A failed run left S as it was, so a retry gets it as it is now; a paused one goes on with what it
 * had. */
void
leg_script(struct run *r, struct sandbox_script *s)
{
	struct past *p = r->past;
	const bool again = r->leg.mode >= LEG_EXACT;

	if (!again)
		state_lend(r->cm, r->c.key, r->c.session, s);
	if (p == NULL)
		return;
	s->seed[0] = p->seed[0];
	s->seed[1] = p->seed[1];
	s->time_s = p->time_s;
	if (!again)
		past_start(p, s->state, s->last);
	s->state = p->state_was.n > 0 ? buf_str(&p->state_was) : STR_NONE;
	s->last = p->last_was.n > 0 ? buf_str(&p->last_was) : STR_NONE;
}

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

/* ---- the end ---- */

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

/* Has it been done, in this leg or as a write that is not done again? */
static bool
stands(const struct step *s, enum step_state state)
{
	return s->state == state && (s->id > 0 || s->mutates);
}

/* Is it the first of its kind?  *n: how many there are. */
static bool
first_of(const struct past *p, size_t i, enum step_state state, size_t *n)
{
	*n = 0;
	for (size_t k = 0; k < p->n; k++) {
		const struct step *s = &p->steps[k];

		if (!stands(s, state) || strcmp(s->tool, p->steps[i].tool) != 0)
			continue;
		if (k < i)
			return false;
		*n += 1;
	}
	return true;
}

static size_t
names_put(const struct run *r, enum step_state state, const char *title, struct buf *out)
{
	const struct past *p = r->past;
	size_t names = 0, n;

	for (size_t i = 0; i < p->n; i++) {
		if (!stands(&p->steps[i], state) || !first_of(p, i, state, &n))
			continue;
		if (names++ == DONE_NAMES_MAX) {
			buf_puts(out, ", ...");
			break;
		}
		buf_puts(out, names == 1 ? title : ", ");
		leg_put_tool(r, str_of(p->steps[i].tool), out);
		if (n > 1)
			buf_printf(out, " x%zu", n);
	}
	return names;
}

void
leg_put_done(const struct run *r, struct buf *out)
{
	const struct past *p = r->past;
	size_t names;

	if (p == NULL || r->leg.mode == LEG_REPLAY)
		return;
	names = names_put(r, STEP_DONE, "\ndone: ", out);
	names += names_put(r, STEP_LOST, "\nsent, and not known if done: ", out);
	if (names > 0)
		buf_printf(out, " (run %s; pass resume=\"%s\" to keep them)", p->id, p->id);
}

/* What the script did not do this time is kept only if it must not be done again. */
static bool
outdated(struct step *s)
{
	if (s->state == STEP_SENT)
		s->state = STEP_LOST;
	if (s->state == STEP_OPEN || (s->state == STEP_LOST && !s->mutates))
		return true;
	if (s->id > 0 && s->order > 0)
		return false;
	s->nth = s->order = 0;
	return !s->mutates || s->state == STEP_FAILED;
}

/* Nothing was called: a syntax error, a script that was refused as it stood. */
static void
as_before(struct past *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->steps[i].order = p->steps[i].was;
}

void
leg_drop(struct run *r)
{
	free(r->leg.at);
	r->leg.at = NULL;
	if (r->past != NULL && r->leg.mode == LEG_REPLAY)
		past_free(r->past);
	else if (r->past != NULL && r->leg.mode == LEG_FRESH)
		past_forget(r->past);
	else if (r->past != NULL) {
		as_before(r->past);
		past_close(r->past, r->leg.paused ? PAST_PAUSED : PAST_FAILED);
	}
	r->past = NULL;
}

/* What is worth keeping stays; how much that is. */
static size_t
tidy(struct past *p)
{
	size_t worth = 0;

	for (size_t i = p->n; i > 0; i--) {
		struct step *s = &p->steps[i - 1];

		free(s->held);
		s->held = NULL;
		if (outdated(s))
			past_remove(p, i - 1);
		else
			worth += s->state != STEP_FAILED;
	}
	return worth;
}

void
leg_end(struct run *r, enum past_state state, const char *end, struct str result)
{
	struct past *p = r->past;
	size_t worth = 1;

	free(r->leg.at);
	r->leg.at = NULL;
	r->past = NULL;
	if (p == NULL)
		return;
	if (r->leg.mode == LEG_REPLAY) {
		past_free(p);
		return;
	}
	if (r->leg.mode == LEG_RETRY && r->leg.calls == 0 && state == PAST_FAILED)
		as_before(p);
	else
		worth = tidy(p);
	(void)str_copy(p->end, sizeof(p->end), str_of(end));
	sha256(&p->result, result);
	if (state == PAST_FAILED && worth == 0)
		past_forget(p);
	else
		past_close(p, state);
}

void
leg_put_replay(const struct run *r, const char *end, struct str result, struct buf *out)
{
	const struct past *p = r->past;
	struct sha256 digest;
	bool same;

	sha256(&digest, result);
	same = r->leg.stop[0] == '\0' && strcmp(end, p->end) == 0 &&
	       memcmp(digest.b, p->result.b, SHA256_BYTES) == 0;
	buf_printf(out,
	    ",\"replay\":{\"same\":%s,\"was\":\"%s\",\"stop\":", same ? "true" : "false", p->end);
	buf_json_str(out, str_of(r->leg.stop));
	buf_puts(out, ",\"changed\":");
	buf_json_str(out, r->changed);
	buf_putc(out, '}');
}
