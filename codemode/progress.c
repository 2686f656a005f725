/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress - notifications/progress of a run: how many calls, and of which tool the newest is.
 *
 * Names of tools only: arguments and results are not the client's until the script returns them.
 */
#include "codemode/progress.h"

#include "codemode/signature.h"

void
progress_tell(struct run *r, const struct tool *t)
{
	const int64_t now_ms = loop_mono_ms(r->cm->loop);
	struct buf text;

	r->made++;
	if (!builtin_wants_progress(r->c.call) ||
	    (r->made > 1 && now_ms - r->told_ms < PROGRESS_MS))
		return;
	r->told_ms = now_ms;
	buf_init(&text, 1024);
	buf_printf(&text, "call %lld: ", (long long)r->made);
	signature_put_path(&text, t);
	builtin_progress(r->c.call, r->made, buf_str(&text));
	buf_fini(&text);
}
