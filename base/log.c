/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line, one write(2), whatever happens.
 *
 *   2026-11-23T10:00:00.123Z warn tool refused job=12 root=9 tool=notes/delete_note
 *
 * Values are JSON-escaped; in text form they are quoted only when they hold something other than
 * plain characters.  The stream is stderr, which belongs to whoever started us; a full pipe there
 * loses lines rather than stopping the loop (the descriptor is theirs to make non-blocking).
 */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/job.h"

#define LINE_BYTES  4096
#define VALUE_BYTES 512

/* RULE: mutable globals because a log line must be possible everywhere, also before the one
 * struct gateway exists; set at start and by the loop, nowhere else. */
static enum log_level threshold = LOG_LEVEL_INFO;
static bool as_json;
static _Atomic int64_t now_ns; /* the scribe logs too */

static const char *const level_words[] = { "debug", "info", "warn", "error" };

void
log_setup(enum log_level level, bool json)
{
	threshold = level;
	as_json = json;
}

void
log_clock(int64_t wall_ns)
{
	atomic_store_explicit(&now_ns, wall_ns, memory_order_relaxed);
}

static void
time_put(struct buf *b)
{
	int64_t ns = atomic_load_explicit(&now_ns, memory_order_relaxed);
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL)
		return;
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ns / 1000000 % 1000));
}

static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=' ||
		    (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

static void
value_put(struct buf *b, const struct log_field *f)
{
	struct str s = f->s;

	if (f->is_int) {
		buf_i64(b, f->n);
		return;
	}
	if (s.n > VALUE_BYTES)
		s.n = VALUE_BYTES;
	if (!as_json && is_plain(s))
		buf_put(b, s);
	else
		buf_json_str(b, s);
}

static void
field_put(struct buf *b, const struct log_field *f)
{
	if (as_json)
		buf_printf(b, ",\"%s\":", f->name);
	else
		buf_printf(b, " %s=", f->name);
	value_put(b, f);
}

void
log_write(enum log_level level, const struct job *j, const char *event,
    const struct log_field *fields, size_t n)
{
	char memory[LINE_BYTES];
	struct buf b = { .p = memory, .cap = sizeof(memory), .limit = sizeof(memory) };

	if (level < threshold)
		return;
	if (as_json)
		buf_puts(&b, "{\"time\":\"");
	time_put(&b);
	buf_printf(&b, as_json ? "\",\"level\":\"%s\",\"event\":\"%s\"" : " %s %s",
	    level_words[level], event);
	if (j != NULL) {
		field_put(&b, &(struct log_field)F_INT("job", (int64_t)j->id));
		field_put(&b, &(struct log_field)F_INT("root", (int64_t)job_root(j)->id));
	}
	for (size_t i = 1; i < n; i++)
		field_put(&b, &fields[i]);
	buf_puts(&b, as_json ? "}\n" : "\n");
	if (!buf_ok(&b)) /* cut, but still one line */
		memory[b.n < sizeof(memory) ? b.n++ : sizeof(memory) - 1] = '\n';
	if (write(STDERR_FILENO, memory, b.n) < 0)
		return; /* nobody left to tell */
}
