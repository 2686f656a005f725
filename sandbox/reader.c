/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - the state machine of one worker's frames; the contract is in reader.h.
 *
 *	CALL (id = last + 1, handle in the table, open calls < limit) | LOG     any number
 *	PLACE (another one than before, a CALL follows before the next)         no event of its own
 *	STATE (S was given; no call open; only DONE may follow)                 once
 *	DONE (no call open) | FAIL (a class a worker may name)                  once, then silence
 *
 * Everything is counted here although the worker counts, too: a worker is not believed.
 */
#include "sandbox/reader.h"

#include "base/json.h"

void
reader_init(struct reader *r, struct reader_limits limits)
{
	ASSERT(limits.in_flight_max <= FRAME_IN_FLIGHT_MAX);
	*r = (struct reader){ .limits = limits };
	buf_init(&r->bytes, FRAME_HEAD_BYTES + FRAME_CALL_MAX + READER_PIECE_MAX);
}

void
reader_fini(struct reader *r)
{
	buf_fini(&r->bytes);
}

void
reader_feed(struct reader *r, struct str bytes)
{
	ASSERT(bytes.n <= READER_PIECE_MAX);
	buf_drop(&r->bytes, r->taken);
	r->taken = 0;
	buf_put(&r->bytes, bytes);
	ASSERT(buf_ok(&r->bytes));
}

static enum reader_event
bad(struct reader_frame *f, enum sandbox_end end, const char *why)
{
	f->end = end;
	f->why = why;
	return READER_BAD;
}

static enum reader_event
judge_call(const struct reader *r, struct reader_frame *f)
{
	const struct frame_head *h = &f->head;
	bool tool = h->handle < r->limits.handles;

	if (h->body_bytes > FRAME_CALL_MAX)
		return bad(f, SANDBOX_PROTO, "arguments are too large");
	if (h->flags > (tool ? FRAME_BY_REF : 0) || h->id != r->last_id + 1)
		return bad(f, SANDBOX_PROTO, "a call out of order");
	if (!tool && h->handle != FRAME_HANDLE_SEARCH && h->handle != FRAME_HANDLE_SHOW)
		return bad(f, SANDBOX_PROTO, "a call of a tool that was not given");
	if (r->last_id == r->limits.calls_max)
		return bad(f, SANDBOX_CALLS, "the tool-call budget of this run is used up");
	if (r->in_flight == r->limits.in_flight_max)
		return bad(f, SANDBOX_PROTO, "too many calls in flight");
	return READER_WAIT;
}

static enum reader_event
judge_place(const struct reader *r, struct reader_frame *f)
{
	const struct frame_head *h = &f->head;

	if (h->flags != 0 || h->body_bytes != 0)
		return bad(f, SANDBOX_PROTO, "a head with stray fields");
	if (r->placed || (h->id == r->fan && h->handle == r->branch))
		return bad(f, SANDBOX_PROTO, "a place that no call is made at");
	return READER_WAIT;
}

static enum reader_event
judge_state(const struct reader *r, struct reader_frame *f)
{
	if (!r->limits.state || f->head.flags != 0 || r->in_flight != 0)
		return bad(f, SANDBOX_PROTO, "a state that was not asked for");
	if (f->head.body_bytes > FRAME_STATE_MAX)
		return bad(f, SANDBOX_PROTO, "a state that is too large");
	return READER_WAIT;
}

/* What the head alone says; READER_WAIT means "fine so far". */
static enum reader_event
judge_head(const struct reader *r, struct reader_frame *f)
{
	const struct frame_head *h = &f->head;

	if (r->ended)
		return bad(f, SANDBOX_PROTO, "a frame after the last one");
	if (r->state_seen && h->type != FRAME_DONE)
		return bad(f, SANDBOX_PROTO, "a state that is not followed by the end");
	if (h->type == FRAME_CALL)
		return judge_call(r, f);
	if (h->type == FRAME_PLACE)
		return judge_place(r, f);
	if (h->handle != 0 || h->id != 0)
		return bad(f, SANDBOX_PROTO, "a head with stray fields");
	if (h->type == FRAME_LOG) {
		if (h->flags != 0)
			return bad(f, SANDBOX_PROTO, "a head with stray fields");
		if (h->body_bytes == 0) /* no limit would ever count them */
			return bad(f, SANDBOX_PROTO, "a log frame of nothing");
		if (h->body_bytes > FRAME_LOG_MAX - r->log_bytes)
			return bad(f, SANDBOX_OUTPUT, "printed more than 65536 bytes");
		return READER_WAIT;
	}
	if (h->type == FRAME_STATE)
		return judge_state(r, f);
	if (h->type == FRAME_DONE) {
		if (h->flags != 0 || r->in_flight != 0)
			return bad(f, SANDBOX_PROTO, "an end with calls in flight");
		if (h->body_bytes > FRAME_VALUE_MAX)
			return bad(f, SANDBOX_OUTPUT,
			    "the returned value is larger than 1000000 bytes: return less of it");
		return READER_WAIT;
	}
	if (h->type == FRAME_FAIL) {
		bool known = h->flags == SANDBOX_COMPILE || h->flags == SANDBOX_RUNTIME ||
			     h->flags == SANDBOX_OOM || h->flags == SANDBOX_CPU ||
			     h->flags == SANDBOX_OUTPUT || h->flags == SANDBOX_CALLS ||
			     h->flags == SANDBOX_PROTO;

		if (!known || h->body_bytes > FRAME_MESSAGE_MAX)
			return bad(f, SANDBOX_PROTO, "an end of no known kind");
		return READER_WAIT;
	}
	return bad(f, SANDBOX_PROTO, "a frame of no known type");
}

static enum reader_event
judge_body(struct reader *r, struct reader_frame *f)
{
	struct err e = { .code = ERR_NONE };

	if (f->head.type == FRAME_LOG) {
		r->log_bytes += f->body.n;
		return READER_LOG;
	}
	if (f->head.type == FRAME_CALL) {
		if (json_kind(f->body) != JSON_OBJECT || !json_check(f->body, true, &e))
			return bad(f, SANDBOX_PROTO, "arguments that are no JSON object");
		r->open[r->in_flight++] = f->head.id;
		r->last_id = f->head.id;
		r->placed = false;
		return READER_CALL;
	}
	if (f->head.type == FRAME_STATE) {
		if ((json_kind(f->body) != JSON_OBJECT && json_kind(f->body) != JSON_ARRAY) ||
		    !json_check(f->body, true, &e))
			return bad(f, SANDBOX_PROTO, "a state that is no JSON");
		r->state_seen = true;
		return READER_STATE;
	}
	r->ended = true;
	f->end = f->head.type == FRAME_DONE ? SANDBOX_DONE : (enum sandbox_end)f->head.flags;
	if (f->end == SANDBOX_DONE && f->body.n > 0 && !json_check(f->body, true, &e))
		return bad(f, SANDBOX_PROTO, "a value that is no JSON");
	return READER_END;
}

/* The next frame, whole, with a head that is fine; READER_CALL stands for "there is one". */
static enum reader_event
take_frame(struct reader *r, struct reader_frame *f)
{
	struct str left;

	left = (struct str){ r->bytes.p + r->taken, r->bytes.n - r->taken };
	if (r->ended && left.n > 0)
		return bad(f, SANDBOX_PROTO, "bytes after the last frame");
	if (left.n < FRAME_HEAD_BYTES)
		return READER_WAIT;
	f->head = frame_read_head((const unsigned char *)left.p);
	if (judge_head(r, f) == READER_BAD)
		return READER_BAD;
	if (left.n - FRAME_HEAD_BYTES < f->head.body_bytes)
		return READER_WAIT;
	f->body = (struct str){ left.p + FRAME_HEAD_BYTES, f->head.body_bytes };
	r->taken += FRAME_HEAD_BYTES + f->body.n; /* moved out once, by the next feed */
	return READER_CALL;
}

enum reader_event
reader_next(struct reader *r, struct reader_frame *f)
{
	enum reader_event ev;

	*f = (struct reader_frame){ .end = SANDBOX_DONE };
	while ((ev = take_frame(r, f)) == READER_CALL && f->head.type == FRAME_PLACE) {
		r->fan = f->head.id;
		r->branch = f->head.handle;
		r->placed = true;
	}
	return ev == READER_CALL ? judge_body(r, f) : ev;
}

bool
reader_answered(struct reader *r, uint32_t id)
{
	for (uint32_t i = 0; i < r->in_flight; i++) {
		if (r->open[i] == id) {
			r->open[i] = r->open[--r->in_flight];
			return true;
		}
	}
	return false;
}
