/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure - error texts of runs.
 *
 * The worker says where ("script:3: ") and what; here the line of the source is added, as the model
 * wrote it, then what was rewritten before it ran, then a hint (advice.c).  Everything from the
 * worker and from the source is untrusted and bounded; control characters are left out of source
 * lines.
 */
#include "codemode/failure.h"

#include "codemode/lex.h"
#include "codemode/output.h"

#define LINE_BYTES 160

/* "script:12: rest" gives 12 and the rest; 0 when it does not begin like that. */
static uint32_t
line_cut(struct str *message)
{
	struct str rest = *message, digits;
	int64_t line;

	if (!str_starts(rest, STR("script:")))
		return 0;
	rest = (struct str){ rest.p + 7, rest.n - 7 };
	digits = str_cut(&rest, ':');
	if (rest.p == NULL || !str_i64(digits, &line) || line <= 0 || line > UINT32_MAX)
		return 0;
	*message = str_starts(rest, STR(" ")) ? (struct str){ rest.p + 1, rest.n - 1 } : rest;
	return (uint32_t)line;
}

static void
line_put(struct str source, uint32_t line, struct buf *out)
{
	struct str text = str_trim(lua_line(source, line)), shown = str_clip(text, LINE_BYTES);

	if (text.n == 0)
		return;
	buf_printf(out, "\n  %u| ", line);
	for (size_t i = 0; i < shown.n; i++)
		buf_putc(out, (unsigned char)shown.p[i] < ' ' ? ' ' : shown.p[i]);
	if (shown.n < text.n)
		buf_puts(out, "…");
}

static void
fixes_put(const struct lenient *fixes, struct buf *out)
{
	size_t before = out->n;

	buf_puts(out, "\nchanged before it ran: ");
	size_t empty = out->n;
	lenient_put_told(fixes, out);
	if (out->n == empty)
		out->n = before;
}

void
failure_put(const struct failure *f, struct buf *out)
{
	struct str message = f->message;
	uint32_t line = line_cut(&message);

	if (f->end == SANDBOX_COMPILE)
		buf_puts(out, "syntax error");
	else if (f->end == SANDBOX_RUNTIME)
		buf_puts(out, "error");
	else
		buf_printf(out, "error (%s)", sandbox_end_word(f->end));
	if (line > 0)
		buf_printf(out, " line %u", line);
	buf_puts(out, ": ");
	output_cut(message, FAILURE_BYTES, out);
	if (line > 0)
		line_put(f->source, line, out);
	if (f->end == SANDBOX_COMPILE || f->end == SANDBOX_RUNTIME) {
		fixes_put(f->fixes, out);
		advice_put(f, line, out);
	}
}

void
failure_put_lint(struct str source, const struct lint_finding *found, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "error line %u: ", found[i].line);
		buf_put(out, buf_str(&found[i].text));
		line_put(source, found[i].line, out);
		buf_putc(out, '\n');
	}
	buf_puts(out, "found before it ran: no call was made");
}
