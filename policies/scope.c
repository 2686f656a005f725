/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope - what a key says of itself: tags, which policies can mean, and a scope, which narrows.
 *
 * Both are texts of the database, words with spaces between them; neither grants anything.  A scope
 * is a ceiling of the key's own: what it does not cover is refused whatever the policies say, so
 * that a key given to a pipeline can do less than its owner.  A scope that this program cannot read
 * makes the key unusable, never wider.
 */
#include "policies/bundle.h"

static struct str
word_next(struct str *rest)
{
	struct str w = STR("");

	while (rest->p != NULL && w.n == 0)
		w = str_cut(rest, ' ');
	return w;
}

static bool
tag_ok(struct str tag, struct err *e)
{
	bool ok = tag.n <= BUNDLE_NAME_BYTES;

	for (size_t i = 0; i < tag.n; i++) {
		char c = tag.p[i];

		ok = ok && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			       (c >= '0' && c <= '9') || (i > 0 && str_has(STR("._-"), c)));
	}
	return ok || err_set(e, ERR_INVALID,
			 "\"" STR_FMT "\" is no tag (letters, digits and . _ -, at most %d)",
			 STR_ARG(tag), BUNDLE_NAME_BYTES);
}

static bool
tags_ok(struct str tags, struct err *e)
{
	struct str one;
	size_t n = 0;

	if (tags.n > KEY_TEXT_BYTES)
		return err_set(e, ERR_INVALID, "the tags are longer than %d bytes", KEY_TEXT_BYTES);
	while ((one = word_next(&tags)).n > 0)
		if (++n > KEY_TAGS_MAX)
			return err_set(e, ERR_INVALID, "more than %d tags", KEY_TAGS_MAX);
		else if (!tag_ok(one, e))
			return false;
	return true;
}

bool
scope_parse(struct arena *a, struct str scope, struct pattern **out, size_t *n, struct err *e)
{
	struct str one;

	*out = NULL;
	*n = 0;
	if (scope.n > KEY_TEXT_BYTES)
		return err_set(e, ERR_INVALID, "the scope is longer than %d bytes", KEY_TEXT_BYTES);
	if (str_trim(scope).n == 0)
		return scope.n == 0 || err_set(e, ERR_INVALID, "the scope is empty");
	*out = arena_zalloc(a, KEY_SCOPE_MAX * sizeof(**out));
	while ((one = word_next(&scope)).n > 0) {
		struct err bad;

		if (*n == KEY_SCOPE_MAX)
			return err_set(
			    e, ERR_INVALID, "more than %d patterns in a scope", KEY_SCOPE_MAX);
		if (!pattern_parse(a, one, &(*out)[(*n)++], &bad))
			return err_set(e, ERR_INVALID, "scope: %s", bad.text);
	}
	return true;
}

bool
scope_check(struct str tags, struct str scope, struct err *e)
{
	struct pattern *patterns;
	struct arena a;
	size_t n;
	bool ok;

	arena_init(&a, SCOPE_ARENA_BYTES);
	ok = tags_ok(tags, e) && scope_parse(&a, scope, &patterns, &n, e);
	arena_free(&a);
	return ok;
}

bool
tags_have(struct str tags, struct str tag)
{
	struct str one;

	while ((one = word_next(&tags)).n > 0)
		if (str_eq(one, tag))
			return true;
	return false;
}

bool
scope_covers(const struct subject *s, enum ask_kind kind, struct str name)
{
	for (size_t i = 0; i < s->scope_n; i++)
		if (pattern_match(&s->scope[i], kind, name))
			return true;
	return s->scope_n == 0;
}
