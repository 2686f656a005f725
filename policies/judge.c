/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge - conditions over the raw bytes of arguments.
 *
 * What is judged is what is forwarded, so nothing is repaired: arguments are checked as JSON once
 * (UTF-8, no duplicate keys), a member is found by its exact name, and another member that differs
 * in case only makes the whole clause MAYBE, because some servers read that one.  The same holds
 * for texts with invisible or look-alike characters, for numbers that a double cannot hold, and
 * for values of another type than the test expects.
 */
#include <string.h>

#include "policies/bundle.h"
#include "policies/place.h"

#define JUDGE_ARENA_BYTES ((size_t)4 << 20)

void
judging_init(struct judging *j, struct str args, bool known)
{
	*j = (struct judging){ .args = args.n > 0 ? args : STR("{}"),
		.known = known,
		.steps = CONDITION_STEPS,
		.letters = CONDITION_LETTERS,
		.bytes = CONDITION_BYTES };
	arena_init(&j->arena, JUDGE_ARENA_BYTES);
}

void
judging_fini(struct judging *j)
{
	arena_free(&j->arena);
}

static enum tri
maybe(struct judging *j, const char *why)
{
	j->why = why;
	return TRI_MAYBE;
}

static enum tri
tri(bool yes)
{
	return yes ? TRI_YES : TRI_NO;
}

/* ---- numbers ---- */

/* Takes a run of digits off *p; false when the number would be too large. */
static bool
digits_take(const char **p, const char *end, struct decimal *d, int step, int *count)
{
	while (*p < end && **p >= '0' && **p <= '9') {
		if (d->digits > 1000000000000000)
			return false;
		d->digits = d->digits * 10 + (**p - '0');
		*count += d->digits != 0;
		d->scale += step;
		(*p)++;
	}
	return true;
}

bool
decimal_parse(struct str text, struct decimal *out)
{
	struct decimal d = { .negative = text.n > 0 && text.p[0] == '-' };
	const char *p = text.p + d.negative, *end = text.p + text.n;
	int64_t exponent = 0;
	int count = 0;

	if (text.n == 0 || !digits_take(&p, end, &d, 0, &count))
		return false;
	if (p < end && *p == '.') {
		p++;
		if (!digits_take(&p, end, &d, -1, &count))
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p += 1 + (end - p > 1 && p[1] == '+');
		if (end - p > 5 || !str_i64(STR_SPAN(p, end), &exponent))
			return false;
		p = end;
	}
	if (p != end || exponent > 300 || exponent < -300)
		return false;
	d.scale += (int)exponent;
	while (d.digits != 0 && d.digits % 10 == 0) {
		d.digits /= 10;
		d.scale++;
	}
	if (d.digits == 0)
		d = (struct decimal){ 0 };
	*out = d;
	/* 16 digits only for an integer within 2^53. */
	return count <= 15 || (count == 16 && d.scale == 0 && d.digits <= 9007199254740992);
}

static int
magnitude_cmp(const struct decimal *a, const struct decimal *b)
{
	__int128 x = a->digits, y = b->digits;
	int scale = a->scale - b->scale;

	if (a->digits == 0 || b->digits == 0)
		return (a->digits != 0) - (b->digits != 0);
	/* Past 16 digits of difference the larger scale wins: both have at most 16 digits. */
	if (scale > 16 || scale < -16)
		return scale > 0 ? 1 : -1;
	for (; scale > 0; scale--)
		x *= 10;
	for (; scale < 0; scale++)
		y *= 10;
	return (x > y) - (x < y);
}

int
decimal_cmp(const struct decimal *a, const struct decimal *b)
{
	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	return a->negative ? magnitude_cmp(b, a) : magnitude_cmp(a, b);
}

/* ---- values ---- */

static enum tri
number_of(struct judging *j, struct str raw, struct decimal *out)
{
	if (json_kind(raw) != JSON_NUMBER)
		return maybe(j, "is not a number");
	if (!decimal_parse(raw, out))
		return maybe(j, "is a number that not every program can hold");
	return TRI_YES;
}

/* The text of a string, if it is one that can be judged by its letters. */
static enum tri
text_of(struct judging *j, struct str raw, struct str *out)
{
	const char *why;

	if (json_kind(raw) != JSON_STRING)
		return maybe(j, "is not a text");
	if (raw.n > CONDITION_TEXT_MAX)
		return maybe(j, "is too long to be judged (8 KiB)");
	if (!json_string(raw, &j->arena, out))
		return maybe(j, "is too long to be judged (8 KiB)");
	if (text_deceives(*out, &why))
		return maybe(j, why);
	return TRI_YES;
}

static enum tri
literal_is(struct judging *j, struct str raw, const struct literal *l)
{
	enum json_kind k = json_kind(raw);
	struct decimal number;
	struct str text;

	if (k == JSON_NULL || l->kind == JSON_NULL)
		return tri(k == l->kind);
	if ((k == JSON_TRUE || k == JSON_FALSE) && (l->kind == JSON_TRUE || l->kind == JSON_FALSE))
		return tri(k == l->kind);
	if (k == JSON_NUMBER && l->kind == JSON_NUMBER) {
		if (number_of(j, raw, &number) != TRI_YES)
			return TRI_MAYBE;
		return tri(decimal_cmp(&number, &l->number) == 0);
	}
	if (k == JSON_STRING && l->kind == JSON_STRING) {
		if (text_of(j, raw, &text) != TRI_YES)
			return TRI_MAYBE;
		if (str_eq(text, l->text))
			return TRI_YES;
		return str_ieq(str_trim(text), l->text) ? maybe(j, "differs in case or spaces only")
							: TRI_NO;
	}
	/* "7" for 7, ["x"] for "x": servers convert. */
	return maybe(j, "is of another type");
}

static enum tri
literals_have(struct judging *j, struct str raw, const struct test *t)
{
	enum tri r = TRI_NO;

	for (size_t i = 0; i < t->n && r != TRI_YES; i++)
		r = tri_or(r, literal_is(j, raw, &t->values[i]));
	return r;
}

/* ---- texts ---- */

static enum tri
under(struct judging *j, struct str raw, const struct test *t)
{
	struct str text, path;
	bool exact, alike = false;
	const char *why;

	if (text_of(j, raw, &text) != TRI_YES)
		return TRI_MAYBE;
	if (!path_plain(text, t->base.n > 0, &why))
		return maybe(j, why);
	path = text;
	if (arena_left(&j->arena) < text.n + t->base.n + 64)
		return maybe(j, "has too many texts to be judged");
	if (text.p[0] != '/')
		path = arena_printf(&j->arena, STR_FMT "%s" STR_FMT, STR_ARG(t->base),
		    str_ends(t->base, STR("/")) ? "" : "/", STR_ARG(text));
	for (size_t i = 0; i < t->n; i++)
		if (path_under(path, t->values[i].text, &exact)) {
			if (exact)
				return TRI_YES;
			alike = true; /* the same folder to some file systems */
		}
	return alike ? maybe(j, "differs in case only") : TRI_NO;
}

static enum tri
host_in(struct judging *j, struct str raw, const struct test *t)
{
	struct host h;
	struct str text;
	const char *why;

	if (text_of(j, raw, &text) != TRI_YES)
		return TRI_MAYBE;
	if (!url_host(text, &h, &why))
		return maybe(j, why);
	for (size_t i = 0; i < t->n; i++)
		if (host_is(&h, t->values[i].text))
			return TRI_YES;
	return TRI_NO;
}

static enum tri
letters(struct judging *j, struct str raw, const struct test *t)
{
	struct str text;
	size_t work;

	if (text_of(j, raw, &text) != TRI_YES)
		return TRI_MAYBE;
	work = (text.n + 1) * (t->op == OP_GLOB ? t->glob->n : 1);
	if (work > j->letters)
		return maybe(j, "has too many letters to be judged");
	j->letters -= work;
	return tri(t->op == OP_GLOB ? glob_match(t->glob, text) : regex_match(t->regex, text));
}

/* Code points, as maxLength counts them. */
static enum tri
max_len(struct judging *j, struct str raw, const struct test *t)
{
	int64_t n = 0;

	if (json_kind(raw) != JSON_STRING)
		return maybe(j, "is not a text");
	for (size_t i = 1; i + 1 < raw.n; i++) {
		if (raw.p[i] == '\\' && raw.p[i + 1] == 'u') {
			/* The second half of a surrogate pair is no character of its own. */
			n += (raw.p[i + 2] | 0x20) != 'd' ||
			     memchr("cdefCDEF", raw.p[i + 3], 8) == NULL;
			i += 5;
		} else if (raw.p[i] == '\\') {
			n++;
			i++;
		} else {
			n += ((unsigned char)raw.p[i] & 0xc0) != 0x80;
		}
	}
	return tri(n <= t->count);
}

/* ---- arrays and objects ---- */

/* Opens what is about to be walked: many rules over one large argument must not hold up the loop.
 */
static bool
walk(struct judging *j, struct str raw, enum json_kind kind, struct json_iter *it)
{
	if (json_kind(raw) != kind || !json_open(raw, it)) {
		(void)maybe(j, kind == JSON_ARRAY ? "is not a list" : "is not an object");
		return false;
	}
	if (raw.n > j->bytes) {
		(void)maybe(j, "is too large for so many conditions");
		return false;
	}
	j->bytes -= raw.n;
	return true;
}

static enum tri tests_hold(struct judging *j, const struct test *t, size_t n, struct str raw);

static enum tri
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
elements(struct judging *j, struct str raw, const struct test *t)
{
	enum tri r = t->op == OP_EACH ? TRI_YES : TRI_NO;
	struct json_iter it;
	struct str key, value;

	if (!walk(j, raw, JSON_ARRAY, &it))
		return TRI_MAYBE;
	while (json_next(&it, &key, &value)) {
		enum tri one = tests_hold(j, t->kids, t->kids_n, value);

		r = t->op == OP_EACH ? tri_and(r, one) : tri_or(r, one);
		if (j->steps == 0)
			return maybe(j, "has too many elements to be judged");
		if (r == (t->op == OP_EACH ? TRI_NO : TRI_YES))
			break;
	}
	return r;
}

static enum tri
max_items(struct judging *j, struct str raw, const struct test *t)
{
	struct json_iter it;
	struct str key, value;
	int64_t n = 0;

	if (!walk(j, raw, JSON_ARRAY, &it))
		return TRI_MAYBE;
	while (n <= t->count && json_next(&it, &key, &value))
		n++;
	return tri(n <= t->count);
}

static enum tri
only_keys(struct judging *j, struct str raw, const struct test *t)
{
	struct json_iter it;
	struct str key, value;

	if (!walk(j, raw, JSON_OBJECT, &it))
		return TRI_MAYBE;
	while (json_next(&it, &key, &value)) {
		bool found = false;

		for (size_t i = 0; i < t->n && !found; i++)
			found = json_key_is(key, t->values[i].text);
		if (!found)
			return TRI_NO;
	}
	return TRI_YES;
}

static enum tri
type_is(struct judging *j, struct str raw, const struct test *t)
{
	enum json_kind k = json_kind(raw);
	struct decimal d;

	for (size_t i = 0; i < t->n; i++) {
		struct str want = t->values[i].text;

		if ((k == JSON_NULL && str_eq(want, STR("null"))) ||
		    ((k == JSON_TRUE || k == JSON_FALSE) && str_eq(want, STR("boolean"))) ||
		    (k == JSON_NUMBER && str_eq(want, STR("number"))) ||
		    (k == JSON_STRING && str_eq(want, STR("string"))) ||
		    (k == JSON_ARRAY && str_eq(want, STR("array"))) ||
		    (k == JSON_OBJECT && str_eq(want, STR("object"))))
			return TRI_YES;
		if (k != JSON_NUMBER || !str_eq(want, STR("integer")))
			continue;
		if (number_of(j, raw, &d) != TRI_YES)
			return TRI_MAYBE;
		if (d.scale >= 0)
			return TRI_YES;
	}
	return TRI_NO;
}

/* ---- tests ---- */

static enum tri
bound(struct judging *j, struct str raw, const struct test *t)
{
	struct decimal d;
	int c;

	if (number_of(j, raw, &d) != TRI_YES)
		return TRI_MAYBE;
	c = decimal_cmp(&d, &t->values[0].number);
	return tri(t->op == OP_MIN ? c >= 0 : c <= 0);
}

static enum tri
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
test_holds(struct judging *j, const struct test *t, struct str raw)
{
	switch (t->op) {
	case OP_EQUALS:
	case OP_IN:
		return literals_have(j, raw, t);
	case OP_NOT:
		return tri_not(tests_hold(j, t->kids, t->kids_n, raw));
	case OP_GLOB:
	case OP_MATCHES:
		return letters(j, raw, t);
	case OP_UNDER:
		return under(j, raw, t);
	case OP_HOST_IN:
		return host_in(j, raw, t);
	case OP_MIN:
	case OP_MAX:
		return bound(j, raw, t);
	case OP_MAX_LEN:
		return max_len(j, raw, t);
	case OP_MAX_ITEMS:
		return max_items(j, raw, t);
	case OP_EACH:
	case OP_ANY:
		return elements(j, raw, t);
	case OP_ONLY_KEYS:
		return only_keys(j, raw, t);
	case OP_ABSENT:
		return TRI_NO;
	case OP_PRESENT:
		return TRI_YES;
	case OP_TYPE:
		return type_is(j, raw, t);
	}
	UNREACHABLE();
}

static enum tri
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
tests_hold(struct judging *j, const struct test *t, size_t n, struct str raw)
{
	enum tri r = TRI_YES;

	for (size_t i = 0; i < n && r != TRI_NO; i++) {
		if (j->steps == 0)
			return maybe(j, "takes too many steps to be judged");
		j->steps--;
		r = tri_and(r, test_holds(j, &t[i], raw));
	}
	return r;
}

/* An argument that is not there: definite. */
static bool
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
absent_holds(const struct test *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].op == OP_NOT ? absent_holds(t[i].kids, t[i].kids_n)
				      : t[i].op != OP_ABSENT && t[i].op != OP_EACH)
			return false;
	return true;
}

/* ---- members ---- */

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Equal when case is ignored as the loosest readers do: K (Kelvin) is k, and a long s is s. */
static bool
key_alike(struct str key, struct str name)
{
	size_t i = 0, k = 0;

	while (i < key.n && k < name.n) {
		struct str rest = { key.p + i, key.n - i };
		char c = fold(key.p[i]);

		if (str_starts(rest, STR("\xc5\xbf"))) {
			c = 's';
			i += 1;
		} else if (str_starts(rest, STR("\xe2\x84\xaa"))) {
			c = 'k';
			i += 2;
		}
		if (c != fold(name.p[k]))
			return false;
		i++;
		k++;
	}
	return i == key.n && k == name.n;
}

/* YES: *value; NO: not there; MAYBE: there in a way that two readers see differently. */
static enum tri
member(struct judging *j, struct str object, struct str name, struct str *value)
{
	enum tri found = TRI_NO;
	struct json_iter it;
	struct str key, v, text;

	if (!walk(j, object, JSON_OBJECT, &it))
		return TRI_MAYBE;
	while (json_next(&it, &key, &v)) {
		if (key.n > 2 + 6 * name.n + 16) /* every character escaped, and some more */
			continue;
		if (!json_string(key, &j->arena, &text))
			return maybe(j, "has too many members to be judged");
		if (!key_alike(text, name))
			continue;
		if (found != TRI_NO || !str_eq(text, name))
			return maybe(j, "is there twice, or under another case");
		found = TRI_YES;
		*value = v;
	}
	return found;
}

/* It is not there: what its tool's locked schema says that it is then.  The servers do the same. */
static enum tri
default_of(struct judging *j, const struct clause *c, size_t steps, struct str *value)
{
	if (j->schema.n == 0)
		return TRI_NO;
	if (j->schema.n > j->bytes)
		return maybe(
		    j, "is left out, and there are too many conditions to find its default");
	j->bytes -= j->schema.n;
	*value = schema_default(j->schema, c->steps, steps);
	return tri(value->p != NULL);
}

static enum tri
clause_holds(struct judging *j, const struct clause *c)
{
	struct str at = j->args;

	for (size_t i = 0; i < c->steps_n; i++) {
		enum tri found = member(j, at, c->steps[i], &at);

		if (found == TRI_NO)
			found = default_of(j, c, i + 1, &at);
		if (found == TRI_MAYBE)
			return TRI_MAYBE;
		if (found == TRI_NO)
			return tri(absent_holds(c->tests, c->tests_n));
	}
	return tests_hold(j, c->tests, c->tests_n, at);
}

static bool
args_checked(struct judging *j)
{
	if (!j->checked) {
		j->checked = true;
		if (j->args.n > CONDITION_ARGS_MAX)
			(void)err_set(&j->bad, ERR_INVALID, "larger than 4 MiB");
		else if (!json_check(j->args, true, &j->bad))
			j->bad.code = ERR_INVALID;
		else if (json_kind(j->args) != JSON_OBJECT)
			(void)err_set(&j->bad, ERR_INVALID, "not an object");
	}
	return j->bad.code == ERR_NONE;
}

enum tri
condition_judge(const struct condition *c, struct judging *j)
{
	enum tri r = TRI_YES;

	if (c->n == 0)
		return TRI_YES;
	j->of = c;
	j->last = NULL;
	j->why = NULL;
	if (!j->known || !args_checked(j)) {
		j->why = j->known ? "cannot be judged: too large, no object, or a key twice" : NULL;
		return TRI_MAYBE;
	}
	for (size_t i = 0; i < c->n; i++) {
		enum tri one = clause_holds(j, &c->clauses[i]);

		if (one < r)
			j->last = &c->clauses[i];
		r = tri_and(r, one);
		if (r == TRI_NO)
			break;
	}
	return r;
}
