/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testreport - what the tests of the policy files found: TAP as it comes, JUnit when the run is
 * over, and the rules that no case was decided by.
 *
 * A rule is covered when it is the one that decided a case; `limit:` rules only bound what others
 * decide, and do not count.
 */
#include "policies/bundle.h"

#define JUNIT_BYTES ((size_t)64 << 20)

void
report_init(struct test_report *r, struct buf *tap)
{
	*r = (struct test_report){ .tap = tap };
	buf_init(&r->suite, JUNIT_BYTES);
	buf_init(&r->suites, JUNIT_BYTES);
	map_init(&r->deciding);
}

void
report_fini(struct test_report *r)
{
	buf_fini(&r->suite);
	buf_fini(&r->suites);
	map_fini(&r->deciding);
}

/* XML 1.0 §2.2: most control characters may not be there, not even as a reference. */
static void
xml_put(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		switch (c) {
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		case '"':
			buf_puts(b, "&quot;");
			break;
		case '\n':
			buf_puts(b, "&#10;");
			break;
		default:
			buf_putc(b, (unsigned char)c < 0x20 || c == 0x7f ? '?' : c);
		}
	}
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
	if (what.n > 0)
		buf_printf(r->tap, " " STR_FMT, STR_ARG(what));
	buf_puts(r->tap, "\n");
	buf_puts(&r->suite, "    <testcase classname=\"");
	xml_put(&r->suite, str_of(file));
	buf_puts(&r->suite, "\" name=\"");
	buf_printf(&r->suite, "%d: ", line);
	xml_put(&r->suite, what);
	if (ok) {
		buf_puts(&r->suite, "\"/>\n");
		return;
	}
	r->failed++;
	r->suite_failed++;
	buf_puts(&r->suite, "\">\n      <failure message=\"");
	xml_put(&r->suite, str_of(why));
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
	xml_put(&r->suites, str_of(file));
	buf_printf(&r->suites, "\" tests=\"%zu\" failures=\"%zu\">\n", r->suite_n, r->suite_failed);
	buf_put(&r->suites, buf_str(&r->suite));
	buf_puts(&r->suites, "  </testsuite>\n");
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

			if (rule->bounds || p->observe)
				continue;
			all++;
			if (map_get(&r->deciding, rule->where) != NULL) {
				covered++;
				continue;
			}
			buf_printf(&rest, "#   " STR_FMT ": %s%s" STR_FMT " decided no case\n",
			    STR_ARG(rule->where), rule->deny ? "deny" : "allow",
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
}
