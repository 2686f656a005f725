/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project_keywords - what a condition's tests are as keywords of JSON Schema, and which of two
 * bounds is the narrower.
 *
 * A keyword must accept every value that its test accepts, and may accept more; within `not` it
 * must say the test exactly, or nothing is said at all.
 */
#include "policies/project.h"

#include "base/json.h"
#include "policies/bundle.h"

static const struct str words[KEYWORDS] = { STR("enum"), STR("not"), STR("pattern"), STR("minimum"),
	STR("maximum"), STR("maxLength"), STR("maxItems"), STR("items"), STR("contains"),
	STR("type") };

static void
literal_put(struct buf *b, const struct literal *l)
{
	switch (l->kind) {
	case JSON_STRING:
		buf_json_str(b, l->text);
		return;
	case JSON_NULL:
		buf_puts(b, "null");
		return;
	case JSON_BAD:
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_put(b, l->text);
		return;
	}
	UNREACHABLE();
}

static void
list_put(struct buf *b, const struct test *t)
{
	buf_putc(b, '[');
	for (size_t i = 0; i < t->n; i++) {
		if (i > 0)
			buf_putc(b, ',');
		literal_put(b, &t->values[i]);
	}
	buf_putc(b, ']');
}

/* A literal text within a pattern. */
static void
quoted_put(struct buf *b, struct str s, bool glob)
{
	for (size_t i = 0; i < s.n; i++) {
		if (glob && s.p[i] == '*') {
			buf_puts(b, ".*"); /* no line break is ever allowed */
			continue;
		}
		if (str_has(STR("\\^$.|?*+()[]{}"), s.p[i]))
			buf_putc(b, '\\');
		buf_putc(b, s.p[i]);
	}
}

static void
pattern_put(struct buf *json, const struct test *t)
{
	struct buf b;

	buf_init(&b, 0);
	if (t->op == OP_MATCHES) {
		buf_put(&b, t->values[0].text);
	} else if (t->op == OP_GLOB) {
		buf_puts(&b, "^(?:");
		for (size_t i = 0; i < t->glob->n; i++) {
			buf_puts(&b, i == 0 ? "" : "|");
			quoted_put(&b, t->glob->alt[i], true);
		}
		buf_puts(&b, ")$");
	} else {
		buf_puts(&b, "^(?:");
		for (size_t i = 0; i < t->n; i++) {
			struct str base = t->values[i].text;

			while (base.n > 0 && base.p[base.n - 1] == '/')
				base.n--;
			buf_puts(&b, i == 0 ? "" : "|");
			quoted_put(&b, base, false);
		}
		buf_puts(&b, ")(?:/.*)?$");
	}
	buf_json_str(json, buf_str(&b));
	buf_fini(&b);
}

void
keywords_put(struct buf *b, const struct keywords *k, bool first)
{
	for (size_t i = 0; i < KEYWORDS; i++) {
		if (k->value[i].n == 0)
			continue;
		buf_printf(b, "%s\"" STR_FMT "\":", first ? "" : ",", STR_ARG(words[i]));
		buf_put(b, k->value[i]);
		first = false;
	}
}

/* not, each, any: the schema of what is within; false: none that would do. */
static bool
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
inner_put(struct buf *b, const struct keywords *of, const struct test *t)
{
	const bool whole = of->whole || t->op == OP_NOT;
	struct keywords k = { .arena = of->arena, .whole = whole };
	size_t n = 0;

	keywords_of(&k, t->kids, t->kids_n);
	for (size_t i = 0; i < KEYWORDS; i++)
		n += k.value[i].n > 0;
	if (n == 0 || (whole && n != t->kids_n))
		return false;
	buf_putc(b, '{');
	keywords_put(b, &k, true);
	buf_putc(b, '}');
	return true;
}

/* The keyword of one test and its value; KEYWORDS: it has none. */
static enum keyword
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
keyword_of(const struct keywords *k, const struct test *t, struct buf *b)
{
	switch (t->op) {
	case OP_EQUALS:
	case OP_IN:
		list_put(b, t);
		return KW_ENUM;
	case OP_NOT:
		return inner_put(b, k, t) ? KW_NOT : KEYWORDS;
	case OP_GLOB:
	case OP_MATCHES:
		pattern_put(b, t);
		return KW_PATTERN;
	case OP_UNDER:
		if (t->base.n > 0)
			return KEYWORDS; /* in words only */
		pattern_put(b, t);
		return KW_PATTERN;
	case OP_MIN:
	case OP_MAX:
		literal_put(b, &t->values[0]);
		return t->op == OP_MIN ? KW_MINIMUM : KW_MAXIMUM;
	case OP_MAX_LEN:
	case OP_MAX_ITEMS:
		buf_i64(b, t->count);
		return t->op == OP_MAX_LEN ? KW_MAX_LENGTH : KW_MAX_ITEMS;
	case OP_EACH:
		return inner_put(b, k, t) ? KW_ITEMS : KEYWORDS;
	case OP_ANY:
		return inner_put(b, k, t) ? KW_CONTAINS : KEYWORDS;
	case OP_TYPE:
		list_put(b, t);
		return KW_TYPE;
	case OP_ABSENT:
		buf_puts(b, "{}");
		return KW_NOT;
	case OP_HOST_IN:
	case OP_ONLY_KEYS:
	case OP_PRESENT:
		return KEYWORDS;
	}
	UNREACHABLE();
}

void
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
keywords_of(struct keywords *k, const struct test *t, size_t n)
{
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		enum keyword kw;

		buf_reset(&b);
		kw = keyword_of(k, &t[i], &b);
		/* Two tests of one keyword: the first is shown. */
		if (kw != KEYWORDS && k->value[kw].n == 0)
			k->value[kw] = arena_str(k->arena, buf_str(&b));
	}
	buf_fini(&b);
}

static bool
narrower(enum keyword kw, struct str theirs, struct str ours)
{
	struct decimal a, b;

	if (kw == KW_ENUM)
		return true;
	if (kw < KW_MINIMUM || kw > KW_MAX_ITEMS || !decimal_parse(theirs, &a) ||
	    !decimal_parse(ours, &b))
		return false;
	return kw == KW_MINIMUM ? decimal_cmp(&b, &a) > 0 : decimal_cmp(&b, &a) < 0;
}

bool
keywords_meet(struct keywords *k, struct str key, struct str theirs)
{
	bool ours = k->value[KW_ENUM].n > 0 && json_key_is(key, STR("const"));

	for (size_t i = 0; i < KEYWORDS; i++) {
		if (k->value[i].n == 0 || !json_key_is(key, words[i]))
			continue;
		ours = narrower((enum keyword)i, theirs, k->value[i]);
		if (!ours)
			k->value[i].n = 0;
	}
	return ours;
}
