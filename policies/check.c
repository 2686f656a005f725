/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what is asked of the policy files without a core: `tollgate check`, `policy test` and
 * `policy explain`.
 *
 * The very functions that a start and the gate use, so that what passes here starts, and is
 * answered there as here; nothing is changed, and the loaded bundle is thrown away.
 */
#include <string.h>

#include "policies/bundle.h"
#include "policies/facts.h"
#include "policies/prices.h"
#include "policies/tools.h"
#include "policies/walk.h"

bool
policies_check(const struct core_settings *s, struct buf *out)
{
	struct bundle *b;
	struct prices prices;
	struct arena a;
	struct err e;
	bool ok;

	b = bundle_of(s, out, &e);
	ok = b != NULL;
	bundle_free(&b);
	if (s->prices_file == NULL)
		return ok;
	arena_init(&a, PRICES_BYTES);
	ok = prices_load(&a, s->prices_file, &prices, out, &e) && ok;
	arena_free(&a);
	return ok;
}

bool
policies_explain(const struct core_settings *s, const struct explain_ask *ask, struct buf *out,
    bool *allowed, struct err *e)
{
	struct bundle *b = bundle_of(s, NULL, e);
	const struct key_spec *who = ask->who;
	struct str args = ask->call, name;
	struct subject subject;
	struct call call;
	struct arena a;
	struct err bad;
	bool ok;

	if (b == NULL)
		return false;
	name = str_cut(&args, ' ');
	args = args.p == NULL ? STR("") : str_trim(args);
	arena_init(&a, SCOPE_ARENA_BYTES);
	ok = call_read(s, name, &call, e) && subject_resolve(b, who, &a, &subject, e);
	if (ok)
		subject_via(b, &subject, &ask->via);
	if (ok && args.n > 0 && !json_check(args, false, &bad))
		ok = err_set(e, ERR_INVALID, "the arguments are no JSON: %s", bad.text);
	if (ok) {
		struct explained x = { .bundle = b,
			.subject = &subject,
			.call = &call,
			.args = args,
			.via = ask->via };

		explain_find(&x);
		(ask->json ? explain_json : explain_text)(&x, out);
		*allowed = x.verdict.allowed;
		explain_fini(&x);
	}
	arena_free(&a);
	bundle_free(&b);
	return ok;
}

void
tests_all(struct bundle *b, const struct core_settings *s, struct test_report *r)
{
	struct folder from;
	struct err e;
	bool there = folder_open(&from, s->policies_dir, &e);

	for (size_t i = 0; i < b->tests_n; i++) {
		const char *rel = b->tests[i] + strlen(s->policies_dir) + 1;
		struct buf text;

		buf_init(&text, BUNDLE_FILE_BYTES * 2);
		if (there && walk_read(&from, rel, &text, &e)) {
			tests_run(b, s, b->tests[i], buf_str(&text), r);
		} else {
			report_case(r, false, b->tests[i], 0, STR("the file"), e.text);
			report_suite_end(r, b->tests[i]);
		}
		buf_fini(&text);
	}
	folder_close(&from);
}

bool
policies_test(const struct core_settings *s, bool cover, struct buf *tap, struct buf *junit)
{
	struct err e;
	struct bundle *b = bundle_of(s, tap, &e);
	struct test_report r;
	bool ok;

	report_init(&r, tap);
	if (b == NULL) {
		report_case(&r, false, s->policies_dir, 0, STR("the policy files"), e.text);
		report_suite_end(&r, s->policies_dir);
	}
	if (b != NULL)
		tests_all(b, s, &r);
	buf_printf(tap, "1..%zu\n", r.n);
	if (cover && b != NULL)
		report_cover(&r, b, tap);
	if (junit != NULL)
		report_junit(&r, junit);
	ok = b != NULL && r.failed == 0;
	report_fini(&r);
	bundle_free(&b);
	return ok;
}
