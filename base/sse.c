/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse - a line splitter and a field table.
 *
 * Lines end in LF, CR or CRLF; a CR at the end of one chunk and an LF at the start of the next are
 * one end (seen_cr).  Fields collect until an empty line gives the event away; an event without a
 * data line is dropped, as the specification says.  A line and an event are each bounded.
 */
#include "base/sse.h"

#include <string.h>

void
sse_init(struct sse *s, size_t limit_bytes)
{
	*s = (struct sse){ .limit_bytes = limit_bytes, .retry_ms = -1 };
	buf_init(&s->line, limit_bytes);
	buf_init(&s->data, limit_bytes);
	buf_init(&s->event, 256);
	buf_init(&s->id, 1024);
}

void
sse_fini(struct sse *s)
{
	buf_fini(&s->line);
	buf_fini(&s->data);
	buf_fini(&s->event);
	buf_fini(&s->id);
}

static void
field_take(struct sse *s, struct str name, struct str value)
{
	int64_t ms;

	if (str_eq(name, STR("data"))) {
		if (s->has_data)
			buf_putc(&s->data, '\n');
		s->has_data = true;
		buf_put(&s->data, value);
	} else if (str_eq(name, STR("event"))) {
		buf_reset(&s->event);
		buf_put(&s->event, value);
	} else if (str_eq(name, STR("id"))) {
		if (!str_has(value, '\0')) {
			buf_reset(&s->id);
			buf_put(&s->id, value);
		}
	} else if (str_eq(name, STR("retry"))) {
		if (str_i64(value, &ms) && ms >= 0)
			s->retry_ms = ms;
	}
}

/* One whole line; false when the consumer wants no more. */
static bool
line_take(struct sse *s, struct str line, sse_event_f *fn, void *ctx)
{
	struct sse_event ev;
	struct str name;
	bool more = true;

	if (line.n > 0) {
		if (line.p[0] == ':')
			return true;
		name = str_cut(&line, ':');
		if (line.p == NULL)
			line = STR("");
		if (line.n > 0 && line.p[0] == ' ') {
			line.p++;
			line.n--;
		}
		field_take(s, name, line);
		return true;
	}
	if (s->has_data && buf_ok(&s->data)) {
		ev = (struct sse_event){ buf_str(&s->event), buf_str(&s->data), buf_str(&s->id),
			s->retry_ms };
		more = fn(ctx, &ev);
	}
	buf_reset(&s->data);
	buf_reset(&s->event);
	s->has_data = false;
	s->retry_ms = -1;
	return more;
}

static const char *
line_end(struct str s)
{
	const char *lf = memchr(s.p, '\n', s.n);
	const char *cr = memchr(s.p, '\r', lf == NULL ? s.n : (size_t)(lf - s.p));

	return cr != NULL ? cr : lf;
}

static void
bom_drop(struct sse *s)
{
	if (!s->started && s->line.n >= 3 && memcmp(s->line.p, "\xef\xbb\xbf", 3) == 0)
		buf_drop(&s->line, 3);
	s->started = true;
}

bool
sse_feed(struct sse *s, struct str bytes, sse_event_f *fn, void *ctx, struct err *e)
{
	while (bytes.n > 0) {
		const char *end;
		size_t n;

		if (s->seen_cr) {
			s->seen_cr = false;
			if (bytes.p[0] == '\n') {
				bytes.p++;
				bytes.n--;
				continue;
			}
		}
		end = line_end(bytes);
		n = end == NULL ? bytes.n : (size_t)(end - bytes.p);
		buf_put(&s->line, (struct str){ bytes.p, n });
		if (!buf_ok(&s->line))
			return err_set(
			    e, ERR_UPSTREAM, "an event stream line over %zu bytes", s->limit_bytes);
		if (end == NULL)
			return true;
		s->seen_cr = *end == '\r';
		bytes.p += n + 1;
		bytes.n -= n + 1;
		bom_drop(s);
		if (!line_take(s, buf_str(&s->line), fn, ctx))
			return true;
		buf_reset(&s->line);
		if (!buf_ok(&s->data))
			return err_set(e, ERR_UPSTREAM, "an event over %zu bytes", s->limit_bytes);
	}
	return true;
}
