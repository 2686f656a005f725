/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker - stops who repeats a call that fails.
 *
 * Only calls that failed lately are kept, in the order of their last failure: those at the front
 * that say nothing any more are dropped whenever another one fails, so that their number follows
 * what fails.  Past BREAKER_CALLS_MAX one is forgotten too early, which lets a call pass.
 */
#include "policies/breaker.h"

#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 512 /* a digest, an id, two clipped texts */

struct failing {
	struct link all;
	int64_t at_ms[BREAKER_FAILS]; /* of its last failures, the oldest first */
	size_t n;
	int64_t until_ms; /* it is refused until then */
	struct str name;
	char bytes[];
};

void
breaker_init(struct breaker *b)
{
	map_init(&b->by_call);
	link_init(&b->all);
}

static void
failing_free(struct breaker *b, struct failing *f)
{
	(void)map_del(&b->by_call, f->name);
	link_drop(&f->all);
	free(f);
}

void
breaker_fini(struct breaker *b)
{
	while (!link_empty(&b->all))
		failing_free(b, CONTAINER(b->all.next, struct failing, all));
	map_fini(&b->by_call);
}

/* The session, which a client names as it likes, comes last: nothing else holds a line break. */
static struct str
/* NOLINTNEXTLINE(readability-non-const-parameter): the buffer is written */
call_name(char buf[NAME_BYTES], const struct breaker_call *c)
{
	struct buf b = { .p = buf, .cap = NAME_BYTES, .limit = NAME_BYTES };

	buf_put(&b, (struct str){ (const char *)c->args->b, SHA256_BYTES });
	buf_put(&b, c->key);
	buf_putc(&b, '\n');
	buf_put(&b, c->tool);
	buf_putc(&b, '\n');
	buf_put(&b, c->session);
	ASSERT(buf_ok(&b));
	return buf_str(&b);
}

bool
breaker_ask(const struct breaker *b, const struct breaker_call *c, int64_t now_ms, struct err *e)
{
	char buf[NAME_BYTES];
	const struct failing *f;

	if (b->by_call.n == 0)
		return true;
	f = map_get(&b->by_call, call_name(buf, c));
	if (f == NULL || f->until_ms <= now_ms)
		return true;
	(void)err_set(e, ERR_RATE,
	    STR_FMT ": this same call has failed %d times in a row; change its arguments, or wait",
	    STR_ARG(c->tool), BREAKER_FAILS);
	e->retry_after_s = (int)((f->until_ms - now_ms + 999) / 1000);
	return false;
}

/* Drops what says nothing any more, and makes room for one. */
static void
trim(struct breaker *b, int64_t now_ms)
{
	while (!link_empty(&b->all)) {
		struct failing *f = CONTAINER(b->all.next, struct failing, all);
		bool counts = f->n > 0 && now_ms - f->at_ms[f->n - 1] < BREAKER_WINDOW_MS;

		if ((counts || f->until_ms > now_ms) && b->by_call.n < BREAKER_CALLS_MAX)
			return;
		failing_free(b, f);
	}
}

static struct failing *
failing_new(struct breaker *b, struct str name)
{
	struct failing *f = mem_zalloc(sizeof(*f) + name.n);

	memcpy(f->bytes, name.p, name.n);
	f->name = (struct str){ f->bytes, name.n };
	link_init(&f->all);
	map_set(&b->by_call, f->name, f);
	return f;
}

static void
failed_now(struct failing *f, int64_t now_ms)
{
	if (f->n == BREAKER_FAILS)
		memmove(f->at_ms, f->at_ms + 1, --f->n * sizeof(f->at_ms[0]));
	f->at_ms[f->n++] = now_ms;
	if (f->n < BREAKER_FAILS || now_ms - f->at_ms[0] >= BREAKER_WINDOW_MS)
		return;
	f->until_ms = now_ms + BREAKER_OPEN_MS;
	f->n = 0;
}

void
breaker_tell(struct breaker *b, const struct breaker_call *c, bool failed, int64_t now_ms)
{
	char buf[NAME_BYTES];
	struct failing *f;
	struct str name;

	if (!failed && b->by_call.n == 0)
		return;
	name = call_name(buf, c);
	f = map_get(&b->by_call, name);
	if (!failed) {
		if (f != NULL)
			failing_free(b, f);
		return;
	}
	if (f != NULL && f->until_ms > now_ms)
		return; /* was on its way when the others had failed */
	if (f == NULL) {
		trim(b, now_ms);
		f = failing_new(b, name);
	}
	link_drop(&f->all);
	link_init(&f->all);
	link_push(&b->all, &f->all);
	failed_now(f, now_ms);
}
