/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bound - what the policies let one script use.
 *
 * The amounts are on the run's pass, fixed as it entered.  Time, memory and calls go to the sandbox
 * with the script; the bytes of results are counted here, as they come from the tools and before
 * any of them reaches the script; money is the gate's.  Whoever reads how the run ended is told
 * which rule it was, and the audit row has its place.
 */
#include "codemode/bound.h"

#include "codemode/journal.h"

static const struct bound *
bound_of(const struct run *r, enum bound_kind k)
{
	const struct bounds *b = r->c.pass->bounds;

	return b != NULL && b->of[k].most > 0 ? &b->of[k] : NULL;
}

/* Calls that the journal answers are none of this run's: a script that used up its calls can be
 * resumed, and goes on. */
static uint32_t
calls_done(const struct run *r)
{
	uint32_t n = 0;

	for (size_t i = 0; r->past != NULL && i < r->past->n; i++)
		n += r->past->steps[i].state == STEP_DONE;
	return n;
}

void
bound_script(const struct run *r, struct sandbox_script *s)
{
	const struct bound *seconds = bound_of(r, BOUND_SECONDS);
	const struct bound *memory = bound_of(r, BOUND_MEMORY);
	const struct bound *calls = bound_of(r, BOUND_CALLS);

	if (seconds != NULL)
		s->wall_ms = (int)(seconds->most * 1000); /* a day at most */
	if (memory != NULL)
		s->memory_bytes = (size_t)memory->most;
	if (calls != NULL)
		s->calls_max = (uint32_t)calls->most;
	s->calls_done = calls_done(r);
}

bool
bound_bytes(struct run *r, size_t n)
{
	const struct bound *b = bound_of(r, BOUND_BYTES);
	struct buf why;

	r->result_bytes += (int64_t)n;
	if (b == NULL || r->result_bytes <= b->most)
		return true;
	buf_init(&why, 300);
	buf_printf(&why, "its tools have answered %lld bytes in total", (long long)r->result_bytes);
	sandbox_end(r->worker, SANDBOX_BYTES, buf_str(&why));
	buf_fini(&why);
	return false;
}

/* Was it the policies' bound, and not the sandbox's own smaller one? */
static const struct bound *
reached(const struct run *r, enum sandbox_end end, enum bound_kind *k)
{
	const struct sandbox_settings *set = sandbox_settings_of(r->cm->sandbox);
	const struct bound *b;
	int64_t own;

	switch (end) {
	case SANDBOX_WALL:
		*k = BOUND_SECONDS;
		own = set->wall_ms / 1000;
		break;
	case SANDBOX_OOM:
		*k = BOUND_MEMORY;
		own = (int64_t)set->memory_bytes;
		break;
	case SANDBOX_CALLS:
		*k = BOUND_CALLS;
		own = set->calls_max;
		break;
	case SANDBOX_BYTES:
		*k = BOUND_BYTES;
		own = INT64_MAX;
		break;
	default:
		return NULL;
	}
	b = bound_of(r, *k);
	return b != NULL && b->most <= own ? b : NULL;
}

void
bound_end(struct run *r, const struct sandbox_result *res, struct buf *text)
{
	enum bound_kind k;
	const struct bound *b = reached(r, res->end, &k);

	if (b == NULL)
		return;
	if (!b->opaque && text->n > 0 && text->p[text->n - 1] != '\n')
		buf_putc(text, '\n');
	bound_told(text, k, b);
	r->c.outcome->limit = b->where;
}
