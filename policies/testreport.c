/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testreport - what the tests of the policy files found: TAP as it comes, JUnit when the run is
 * over, and the rules that no case was decided by.
 *
 * A rule is covered when it is the one that decided a case; `limit:` rules only bound what others
 * decide, and do not count.
 */
#include "policies/bundle.h"

void
report_init(struct test_report *r, struct buf *tap)
{
	*r = (struct test_report){ .tap = tap };
	buf_init(&r->suite, 0);
	buf_init(&r->suites, 0);
	map_init(&r->deciding);
}

void
report_fini(struct test_report *r)
{
	buf_fini(&r->suite);
	buf_fini(&r->suites);
	map_fini(&r->deciding);
}

void
report_case(
    struct test_report *r, bool ok, const char *file, int line, struct str what, const char *why)
{
	r->n++;
	r->suite_n++;
	buf_printf(r->tap, "%s %zu - %s", ok ? "ok" : "not ok", r->n, file);
	if (line > 0)
		buf_printf(r->tap, ":%d", line);
	buf_printf(r->tap, " " STR_FMT "\n", STR_ARG(what));
	buf_puts(&r->suite, "    <testcase classname=\"");
	buf_xml(&r->suite, str_of(file));
	buf_puts(&r->suite, "\" name=\"");
	if (line > 0)
		buf_printf(&r->suite, "%d: ", line);
	buf_xml(&r->suite, what);
	if (ok) {
		buf_puts(&r->suite, "\"/>\n");
		return;
	}
	r->failed++;
	r->suite_failed++;
	buf_puts(&r->suite, "\">\n      <failure message=\"");
	buf_xml(&r->suite, str_of(why));
	buf_puts(&r->suite, "\"/>\n    </testcase>\n");
	for (struct str rest = str_of(why); rest.n > 0;) {
		struct str text = str_cut(&rest, '\n');

		buf_printf(r->tap, "#   " STR_FMT "\n", STR_ARG(text));
	}
}

void
report_decided(struct test_report *r, const struct verdict *v)
{
	if (v->rule.n > 0)
		map_set(&r->deciding, v->rule, r);
}

void
report_suite_end(struct test_report *r, const char *file)
{
	buf_puts(&r->suites, "  <testsuite name=\"");
	buf_xml(&r->suites, str_of(file));
	buf_printf(&r->suites, "\" tests=\"%zu\" failures=\"%zu\">\n", r->suite_n, r->suite_failed);
	buf_put(&r->suites, buf_str(&r->suite));
	buf_puts(&r->suites, "  </testsuite>\n");
	r->suites.failed |= r->suite.failed;
	buf_reset(&r->suite);
	r->suite_n = r->suite_failed = 0;
}

void
report_cover(const struct test_report *r, const struct bundle *b, struct buf *out)
{
	size_t all = 0, covered = 0;
	struct buf rest;

	buf_init(&rest, 0);
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; k < p->rules_n; k++) {
			const struct rule *rule = &p->rules[k];

			if (rule->effect > EFFECT_APPROVE || p->observe)
				continue;
			all++;
			if (map_get(&r->deciding, rule->where) != NULL) {
				covered++;
				continue;
			}
			buf_printf(&rest, "#   " STR_FMT ": %s%s" STR_FMT " decided no case\n",
			    STR_ARG(rule->where), effect_word(rule->effect),
			    rule->text.n > 0 ? " " : "", STR_ARG(rule->text));
		}
	}
	buf_printf(out, "# cover: %zu of %zu rules decided a case\n", covered, all);
	buf_put(out, buf_str(&rest));
	buf_fini(&rest);
}

void
report_junit(const struct test_report *r, struct buf *out)
{
	buf_printf(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<testsuites name=\"tollgate policy test\" tests=\"%zu\" failures=\"%zu\">\n",
	    r->n, r->failed);
	buf_put(out, buf_str(&r->suites));
	buf_puts(out, "</testsuites>\n");
	out->failed |= r->suites.failed;
}
