/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition - any bytes as the arguments of a call, as a path, a URL and an expression.
 *
 * Against one bundle with every operator: never a crash, the same answer twice, and what a path or
 * host condition lets pass is seen to be inside by a second, simpler reading of the decoded text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "policies/bundle.h"
#include "policies/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena scopes = { .limit = 1 << 20 }; /* of subjects */

static const char policy[] =
    "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n"
    "  - allow: a/path\n    when: { p: { under: /repo } }\n"
    "  - allow: a/rel\n    when: { p: { under: { path: /repo, relative_to: /repo } } }\n"
    "  - allow: a/host\n    when: { u: { host_in: [github.com, \"*.x.org\", \"[::1]:80\"] } }\n"
    "  - allow: a/all\n"
    "  - deny: a/all\n    reason: r\n    when: { a: { equals: 1 }, b: { in: [x, 2, null] } }\n"
    "  - deny: a/all\n    reason: r\n    when: { c: { glob: \"{a,b}*c\", max_len: 9 } }\n"
    "  - deny: a/all\n    reason: r\n    unless: { d.e: { min: 1, max: 5.5 } }\n"
    "  - deny: a/all\n    reason: r\n    unless: { l: { max_items: 3, each: { type: [string,"
    " integer] }, any: { not: { matches: \"^(a|b+)*c{2,3}$\" } } } }\n"
    "  - deny: a/all\n    reason: r\n    unless: { only_keys: [a, b, c, d, l], z: { absent:"
    " true }, d: { present: true } }\n";

static struct bundle *bundle;
static struct subject subject;

static void
prepare(void)
{
	char dir[64], path[128];
	struct bundle_source src = { .dir = dir };
	struct err e;
	FILE *f;

	(void)snprintf(dir, sizeof(dir), "/tmp/tollgate-fuzz-condition-%d", (int)getpid());
	(void)snprintf(path, sizeof(path), "%s/root", dir);
	(void)mkdir(dir, 0700);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/root/p.yaml", dir);
	f = fopen(path, "w");
	if (f == NULL || fputs(policy, f) < 0 || fclose(f) != 0)
		abort();
	bundle = bundle_load(&src, NULL, &e);
	if (bundle == NULL ||
	    !subject_resolve(bundle, &(struct key_spec){ .name = STR("k") }, &scopes, &subject, &e))
		abort();
}

static bool
allowed(struct str name, struct str args)
{
	struct verdict one, two;
	struct buf must;

	buf_init(&must, 0);
	rules_decide_call(bundle, &subject, ASK_TOOL, name, STR(""), args, &one, &must);
	buf_reset(&must);
	rules_decide_call(bundle, &subject, ASK_TOOL, name, STR(""), args, &two, &must);
	buf_fini(&must);
	if (one.allowed != two.allowed)
		abort();
	return one.allowed;
}

static bool
climbs(struct str text)
{
	while (text.p != NULL)
		if (str_eq(str_cut(&text, '/'), STR("..")))
			return true;
	return false;
}

/* The decoded text of a member of what was allowed: it must be there, and plain. */
static struct str
member(struct arena *a, struct str args, struct str name)
{
	struct str raw, text;
	struct err e;

	if (!json_check(args, true, &e) || !json_get(args, name, &raw) ||
	    !json_string(raw, a, &text) || str_has(text, '\0') || str_has(text, '\\'))
		abort();
	return text;
}

static void
arguments(struct str args)
{
	struct arena a;
	struct str text;

	arena_init(&a, 8 << 20);
	(void)allowed(STR("a/all"), args);
	if (allowed(STR("a/path"), args)) {
		text = member(&a, args, STR("p"));
		if (!str_eq(text, STR("/repo")) && !str_starts(text, STR("/repo/")))
			abort();
		if (climbs(text))
			abort();
	}
	if (allowed(STR("a/rel"), args)) {
		text = member(&a, args, STR("p"));
		if (climbs(text))
			abort();
	}
	if (allowed(STR("a/host"), args)) {
		text = member(&a, args, STR("u"));
		if (memchr(text.p, ':', text.n) == NULL)
			abort();
	}
	arena_free(&a);
}

static void
pieces(struct str s)
{
	struct str cut = s, text = str_cut(&cut, '\n');
	const struct regex *r;
	const char *why;
	struct host h;
	struct arena a;
	struct err e;

	if (!str_utf8(s))
		return;
	(void)path_plain(s, true, &why);
	if (path_plain(s, false, &why) && memmem(s.p, s.n, "/../", 4) != NULL)
		abort();
	if (url_host(s, &h, &why) && (h.n == 0 || memchr(h.text, '@', h.n) != NULL))
		abort();
	arena_init(&a, 16 << 20);
	r = regex_parse(&a, text, &e);
	if (r != NULL && cut.p != NULL)
		(void)regex_match(r, cut);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct str all = { (const char *)data, n };

	if (bundle == NULL)
		prepare();
	arguments(all);
	pieces(all);
	return 0;
}
