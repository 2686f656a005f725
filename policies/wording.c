/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wording - conditions as sentences: "path must be under /repo" for whoever was refused and for the
 * model that reads a tool's description, "path is under /repo" where a rule is explained.
 */
#include "policies/bundle.h"

/* [is][not] */
static const char *const be[2][2] = { { "must be ", "must not be " }, { "is ", "is not " } };
static const char *const have[2][2] = { { "must have ", "must not have " },
	{ "has ", "does not have " } };
static const char *const match[2][2] = { { "must match ", "must not match " },
	{ "matches ", "does not match " } };

struct wording {
	struct buf *out;
	bool is; /* else: must */
};

static void tests_text(
    const struct wording *w, struct str subject, const struct test *t, size_t n, bool negated);

static void
literal_text(struct buf *out, const struct literal *l)
{
	if (l->kind == JSON_NULL)
		buf_puts(out, "null");
	else
		buf_put(out, l->text);
}

static void
list_text(struct buf *out, const struct test *t, const char *one, const char *many)
{
	buf_puts(out, t->n == 1 ? one : many);
	for (size_t i = 0; i < t->n; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		literal_text(out, &t->values[i]);
	}
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
kids_text(
    const struct wording *w, const char *of, struct str subject, const struct test *t, bool negated)
{
	struct buf inner;

	buf_init(&inner, BUNDLE_TEXT_BYTES);
	buf_printf(&inner, "%s" STR_FMT, of, STR_ARG(subject));
	tests_text(w, buf_str(&inner), t->kids, t->kids_n, negated);
	buf_fini(&inner);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
test_text(const struct wording *w, struct str subject, const struct test *t, bool negated)
{
	const char *const is = be[w->is][negated], *const has = have[w->is][negated];
	struct buf *out = w->out;

	if (t->op == OP_NOT || t->op == OP_EACH || t->op == OP_ANY) {
		/* Not each is: some not. */
		bool each = (t->op == OP_EACH) != negated;

		if (t->op == OP_NOT)
			tests_text(w, subject, t->kids, t->kids_n, !negated);
		else
			kids_text(w, each ? "each of " : "one of ", subject, t, negated);
		return;
	}
	buf_printf(out, STR_FMT " ", STR_ARG(subject));
	switch (t->op) {
	case OP_EQUALS:
	case OP_IN:
		buf_puts(out, is);
		list_text(out, t, "", "one of ");
		return;
	case OP_GLOB:
	case OP_MATCHES:
		buf_puts(out, match[w->is][negated]);
		list_text(out, t, "", "");
		return;
	case OP_UNDER:
		buf_puts(out, is);
		list_text(out, t, "under ", "under one of ");
		return;
	case OP_HOST_IN:
		buf_puts(out, is);
		list_text(out, t, "a URL of ", "a URL of one of ");
		return;
	case OP_MIN:
	case OP_MAX:
		buf_puts(out, is);
		list_text(out, t, t->op == OP_MIN ? "at least " : "at most ", "");
		return;
	case OP_MAX_LEN:
	case OP_MAX_ITEMS:
		buf_printf(out, "%sat most %lld %s", has, (long long)t->count,
		    t->op == OP_MAX_LEN ? "characters" : "items");
		return;
	case OP_ONLY_KEYS:
		buf_puts(out, has);
		list_text(out, t, "no other member than ", "no other members than ");
		return;
	case OP_ABSENT:
	case OP_PRESENT:
		buf_printf(out, "%s%s", is, t->op == OP_ABSENT ? "absent" : "given");
		return;
	case OP_TYPE:
		buf_puts(out, is);
		list_text(out, t, "of type ", "of one of the types ");
		return;
	case OP_NOT:
	case OP_EACH:
	case OP_ANY:
		break;
	}
	UNREACHABLE();
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
tests_text(
    const struct wording *w, struct str subject, const struct test *t, size_t n, bool negated)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_puts(w->out, negated ? " or " : " and ");
		test_text(w, subject, &t[i], negated);
	}
}

void
clause_text(const struct clause *c, bool must, struct buf *out)
{
	const struct wording w = { out, !must };

	tests_text(&w, c->arg.n > 0 ? c->arg : STR("the arguments"), c->tests, c->tests_n, false);
}

void
condition_text(const struct condition *c, bool must, struct buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		if (i > 0)
			buf_puts(out, " and ");
		clause_text(&c->clauses[i], must, out);
	}
}
