/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - what did this reply cost?
 *
 * A stream is split into its events, which the endpoint reads one by one.  JSON is read when it is
 * whole; where an endpoint may answer with a list, each of its objects when that is whole, so that
 * a list that was cut has told what it told.  Deltas are counted (about four bytes a token, at
 * least one an event): a stream that is cut before it named its usage is charged for them.
 *
 * The provider is not trusted: a document that does not scan simply reports nothing.
 */
#include "gateway/tap.h"

#include "base/json.h"
#include "gateway/dialect.h"

#define JSON_BYTES_MAX  ((size_t)8 << 20) /* of a reply, or one object of a list, that is read */
#define EVENT_BYTES_MAX ((size_t)4 << 20)
#define TOKENS_MAX      1000000000
#define USES_BYTES      1024
#define ID_BYTES        100

void
tap_init(struct tap *t, const struct endpoint *of, bool stream, int64_t length_bytes)
{
	*t = (struct tap){ .of = of, .stream = stream, .length_bytes = length_bytes };
	if (stream)
		sse_init(&t->sse, EVENT_BYTES_MAX);
	buf_init(&t->json, JSON_BYTES_MAX);
	buf_init(&t->uses, USES_BYTES);
}

void
tap_fini(struct tap *t)
{
	if (t->stream)
		sse_fini(&t->sse);
	buf_fini(&t->json);
	buf_fini(&t->uses);
}

void
tap_tokens(struct str raw, int64_t *out)
{
	int64_t n;

	if (raw.p != NULL && json_i64(raw, &n) && n >= 0 && n <= TOKENS_MAX)
		*out = n;
}

void
tap_delivered(struct tap *t, int64_t text_bytes)
{
	t->delivered += text_bytes < 4 ? 1 : text_bytes / 4;
}

void
tap_failed(struct tap *t)
{
	t->usage.seen = true;
}

void
tap_use(struct tap *t, struct str id)
{
	if (json_kind(id) != JSON_STRING || id.n < 3 || id.n > ID_BYTES || str_has(id, '\\') ||
	    str_has(id, ' '))
		return;
	if (t->uses.n > 0)
		buf_putc(&t->uses, ' ');
	buf_put(&t->uses, (struct str){ id.p + 1, id.n - 2 });
}

static bool
on_event(void *ctx, const struct sse_event *ev)
{
	struct tap *t = ctx;

	if (ev->data.n > 0)
		t->of->event(t, ev);
	return true;
}

/* Every outermost object, as it ends; what stands around them is a list's. */
static void
objects_feed(struct tap *t, struct str bytes)
{
	size_t from = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (t->in_string) {
			t->in_string = t->escaped || c != '"';
			t->escaped = !t->escaped && c == '\\';
		} else if (c == '"') {
			t->in_string = true;
		} else if (c == '{') {
			if (t->depth++ == 0)
				from = i;
		} else if (c == '}' && t->depth > 0 && --t->depth == 0) {
			buf_put(&t->json, STR_SPAN(bytes.p + from, bytes.p + i + 1));
			if (buf_ok(&t->json))
				t->of->reply(t, buf_str(&t->json));
			buf_reset(&t->json);
		}
	}
	if (t->depth > 0)
		buf_put(&t->json, STR_SPAN(bytes.p + from, bytes.p + bytes.n));
}

void
tap_feed(struct tap *t, struct str bytes)
{
	struct err e;

	if (t->stream) {
		if (!sse_feed(&t->sse, bytes, on_event, t, &e))
			t->sse.line.failed = true; /* too long a line: no more is read from it */
	} else if (t->of->listed) {
		objects_feed(t, bytes);
	} else if (t->json.n == 0 && (int64_t)bytes.n == t->length_bytes) {
		if (bytes.n > 0)
			t->of->reply(t, bytes);
	} else {
		buf_put(&t->json, bytes);
	}
}

void
tap_usage(struct tap *t, struct usage *out, bool *estimated)
{
	*estimated = false;
	if (!t->stream && !t->of->listed) {
		if (buf_ok(&t->json) && t->json.n > 0)
			t->of->reply(t, buf_str(&t->json));
	} else if (!t->final && t->delivered > t->usage.output) {
		t->usage.output = t->delivered;
		*estimated = true;
	}
	*out = t->usage;
}
