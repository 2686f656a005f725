/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure - error texts of runs.
 *
 * The worker says where ("script:3: ", "script:3: snippets.total:6: ") and what; here the line of
 * the source is added, as the model wrote it, and that of the snippet, then what was rewritten
 * before it ran, then a hint (advice.c), which looks at the innermost of the two.  Everything from
 * the worker and from the source is untrusted and bounded; control characters are left out of
 * source lines.
 */
#include "codemode/failure.h"

#include "codemode/lex.h"
#include "codemode/output.h"

#define LINE_BYTES 160

/* "CHUNK:12: rest" gives 12 and the rest; 0 when it does not begin like that. */
static uint32_t
line_cut(struct str *message, struct str chunk)
{
	struct str rest = *message, digits;
	int64_t line;

	if (!str_eq(str_cut(&rest, ':'), chunk) || rest.p == NULL)
		return 0;
	digits = str_cut(&rest, ':');
	if (rest.p == NULL || !str_i64(digits, &line) || line <= 0 || line > UINT32_MAX)
		return 0;
	*message = str_starts(rest, STR(" ")) ? (struct str){ rest.p + 1, rest.n - 1 } : rest;
	return (uint32_t)line;
}

struct inside {                 /* a snippet, where one failed */
	struct str chunk, text; /* "snippets.total" */
	uint32_t line;          /* 0: none did */
};

/* What the message without the script's line begins with, if it is of a snippet. */
static struct inside
inside_of(const struct failure *f, struct str message)
{
	struct inside in = { .text = STR("") };
	struct str rest = message, name;

	name = in.chunk = str_cut(&rest, ':');
	if (f->snippet == NULL || rest.p == NULL ||
	    !str_eq(str_cut(&name, '.'), STR(SNIPPET_FOLDER)) || name.p == NULL)
		return in;
	in.text = f->snippet(f->ctx, name);
	if (in.text.p != NULL)
		in.line = line_cut(&message, in.chunk);
	return in;
}

/* "\n  3| text", "\n  snippets.total:3| text" */
static void
line_put(struct str chunk, struct str source, uint32_t line, struct buf *out)
{
	struct str text = str_trim(lua_line(source, line)), shown = str_clip(text, LINE_BYTES);

	if (text.n == 0)
		return;
	buf_printf(out, "\n  " STR_FMT "%s%u| ", STR_ARG(chunk), chunk.n > 0 ? ":" : "", line);
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
	uint32_t line = line_cut(&message, STR("script"));
	struct inside in = inside_of(f, message);

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
		line_put(STR(""), f->source, line, out);
	if (in.line > 0)
		line_put(in.chunk, in.text, in.line, out);
	if (f->end == SANDBOX_CALLS)
		buf_puts(out,
		    "\nhint: ask for more at a time, or resume: what is done is not counted again");
	if (f->end != SANDBOX_COMPILE && f->end != SANDBOX_RUNTIME)
		return;
	fixes_put(f->fixes, out);
	if (in.line > 0)
		advice_put(
		    &(struct failure){ f->end, f->message, in.text, in.text, f->fixes, NULL, NULL },
		    in.line, out);
	else
		advice_put(f, line, out);
}

void
failure_put_lint(struct str source, const struct lint_finding *found, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "error line %u: ", found[i].line);
		buf_put(out, buf_str(&found[i].text));
		line_put(STR(""), source, found[i].line, out);
		buf_putc(out, '\n');
	}
	buf_puts(out, "found before it ran: no call was made");
}
