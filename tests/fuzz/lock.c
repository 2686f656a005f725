/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as mcp.lock: what is read is printed and read again as the same.  Any JSON object as a
 * tool's definition: its canonical form is JSON, is its own canonical form and is that of what
 * pretty wrote; it is locked, compared with itself and looked through.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/json_form.h"
#include "mcp/lock.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
lock_check(struct str text)
{
	struct buf one, two;
	struct err e;
	struct lock *l = lock_parse("mcp.lock", text, &e), *again;

	if (l == NULL)
		return;
	buf_init(&one, 0);
	buf_init(&two, 0);
	lock_print(l, &one);
	again = lock_parse("mcp.lock", buf_str(&one), &e);
	must(again != NULL);
	lock_print(again, &two);
	must(str_eq(buf_str(&one), buf_str(&two)));
	lock_free(&l);
	lock_free(&again);
	buf_fini(&one);
	buf_fini(&two);
}

static void
found(void *ctx, const struct lock_finding *f)
{
	size_t *n = ctx;

	must(f->text.n > 0 && f->character > 0);
	(*n)++;
}

static void
definition_check(struct str raw)
{
	static const struct str others[] = { STR("other/create_issue") };
	struct lock_seen seen = { STR("srv/get"), STR("srv"), raw };
	struct buf form, pretty, again;
	struct lock *l = lock_empty();
	size_t n = 0;
	struct err e;

	buf_init(&form, 0);
	buf_init(&pretty, 0);
	buf_init(&again, 0);
	json_canonical(&form, raw);
	must(json_check(buf_str(&form), true, &e));
	json_canonical(&again, buf_str(&form));
	must(str_eq(buf_str(&again), buf_str(&form)));
	json_pretty(&pretty, raw, 0);
	must(json_check(buf_str(&pretty), true, &e));
	buf_reset(&again);
	json_canonical(&again, buf_str(&pretty));
	must(str_eq(buf_str(&again), buf_str(&form)));
	lock_put(l, &seen, STR("me"), STR("now"));
	must(lock_compare(l, &seen) == LOCK_SAME);
	buf_reset(&again);
	lock_diff(&again, lock_at(l, 0), &seen, true);
	must(again.n == 0);
	lock_diff(&again, NULL, &seen, true);
	must(str_utf8(buf_str(&again)));
	lock_lint(&seen, others, COUNT(others), found, &n);
	lock_free(&l);
	buf_fini(&form);
	buf_fini(&pretty);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct err e;

	lock_check(text);
	text = str_trim(text);
	if (json_check(text, true, &e) && json_kind(text) == JSON_OBJECT)
		definition_check(text);
	return 0;
}
