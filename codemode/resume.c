/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume - how a run goes on: the start and the end of each of its legs.
 *
 *   lua{code, resume="r41"}  RETRY   from the start, with the code; completed calls at the same
 *                                    place with the same arguments are answered from the journal,
 *                                    until one differs
 *   lua{code="", resume=…}   EXACT   of a paused run: the same code, seed, time, S and last, and
 *                                    the same answers in the same order, so it comes to where it
 *                                    stopped; then it goes on.  So does one whose modern client was
 *                                    asked by a gateway that is no more (come_back())
 *   script replay            REPLAY  likewise, on a copy, and stops at what was not done then
 *
 * Which call is answered how is leg.c's.  What is left at the end of a leg stays in the journal if
 * it must not be done again, or answers the next leg.
 */
#include "codemode/resume.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "codemode/snippet.h"
#include "codemode/state.h"

#define DONE_NAMES_MAX 20

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

/* ---- the end ---- */

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
