/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - what a script would do.
 *
 *   --plan in the first line --> calls of tools that say readOnlyHint are made, as always
 *                            \-> every other one: its arguments are checked, it is written down,
 *                                the script gets {} for it and goes on
 *
 * A tool that says nothing about itself is taken to change something.  Where mcp.lock pins tools it
 * is the approved definition that counts (mcp/pins.c).  Rules on arguments and approvals are not
 * asked: a call that is written down has not been allowed.  S and last stay as they were.
 */
#include "codemode/plan.h"

#include "codemode/approved.h"
#include "codemode/signature.h"

#define SHOWN_BYTES 300 /* of the arguments of one call */
#define PLAN_BYTES  8000

bool
plan_asked(struct str source)
{
	struct str line;

	do { /* a fence before it has left an empty line */
		line = str_trim(str_cut(&source, '\n'));
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
	} while (line.n == 0 && source.p != NULL);
	return str_eq(str_trim(line), STR("--plan")) || str_eq(str_trim(line), STR("-- plan"));
}

bool
plan_records(struct run *r, uint32_t id, const struct tool *t, struct str args)
{
	struct str shown = str_clip(args, SHOWN_BYTES);

	if (!r->plan || (t->readonly && !approved_needs(r, t)))
		return false;
	r->planned_n++;
	if (r->planned.n < PLAN_BYTES) {
		buf_puts(&r->planned, "\n  ");
		signature_put_path(&r->planned, t);
		buf_put(&r->planned, shown);
		if (shown.n < args.n)
			buf_printf(&r->planned, "... (%zu bytes)", args.n);
	} else {
		r->planned_more++;
	}
	sandbox_answer(r->worker, id, FRAME_OK, STR("{}"));
	return true;
}

void
plan_put(const struct run *r, struct buf *out)
{
	if (!r->plan)
		return;
	buf_printf(out, "plan: %zu call%s would be made, none was%s", r->planned_n,
	    r->planned_n == 1 ? "" : "s", r->planned_n > 0 ? ":" : "");
	buf_put(out, buf_str(&r->planned));
	if (r->planned_more > 0)
		buf_printf(out, "\n  and %zu more", r->planned_more);
	buf_putc(out, '\n');
}

void
plan_report(const struct run *r, struct buf *out)
{
	struct buf text;

	buf_init(&text, 0);
	plan_put(r, &text);
	buf_printf(out, ",\"planned\":%zu,\"plan\":", r->planned_n);
	buf_json_str(out, buf_str(&text));
	buf_fini(&text);
}
