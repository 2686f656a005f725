/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file - one folder of policy files becomes a bundle.
 *
 * The path is the authority: root/ may name anybody, customers/C/ only C, customers/C/teams/T/ only
 * T.  A YAML file anywhere else is an error, so that nothing that looks like a policy is ever left
 * out; names that start with a dot are not ours (.git, ..data of a mounted volume).  A .lua file is
 * a snippet (snippets.c).
 *
 *   walk(), in order of path --> file_parse() each --> org_read() each
 *   --> org_finish() --> policy_read() each --> policy_models() --> the revision
 *
 * Every problem of every file is reported before loading fails.
 */
#include <stdlib.h>

#include "base/crypto.h"
#include "policies/bundle.h"
#include "policies/facts.h"
#include "policies/snippet.h"
#include "policies/walk.h"

/* Room for the tree of one file: a node per two bytes at the very worst. */
#define TREE_BYTES (BUNDLE_FILE_BYTES * 160)

bool
loading_room(struct loading *ld, const struct yaml *y)
{
	if (arena_left(&ld->b->arena) > 2 * BUNDLE_ARENA_RESERVE)
		return true;
	if (ld->problems.errors == 0)
		problem(&ld->problems, y, "the bundle is too large (%zu MiB when compiled)",
		    BUNDLE_ARENA_BYTES >> 20);
	return false;
}

/* ---- one file ---- */

static bool
file_text(
    struct loading *ld, const struct folder *from, const struct policy_file *f, struct buf *out)
{
	struct err e;

	if (!walk_read(from, f->path.p, out, &e))
		problem_at(&ld->problems, f->shown, 0, 0, "%s", e.text);
	else if (ld->bytes + out->n > BUNDLE_BYTES)
		problem_at(&ld->problems, f->shown, 0, 0,
		    "the policy files are larger than %zu MiB", BUNDLE_BYTES >> 20);
	else
		return true;
	return false;
}

static bool
version_check(struct loading *ld, struct yaml *doc)
{
	struct yaml *v = yaml_get(doc, "version");
	struct err e;
	int64_t n;

	if (v == NULL)
		problem(&ld->problems, doc, "version is missing (write: version: 1)");
	else if (!yaml_i64(v, 1, 1, &n, &e))
		problem_err(&ld->problems, &e);
	else
		return true;
	return false;
}

static void
test_push(struct bundle *b, const char *path)
{
	if (b->tests_n == b->tests_cap) {
		b->tests_cap = b->tests_cap == 0 ? 16 : b->tests_cap * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		b->tests = mem_realloc(b->tests, b->tests_cap * sizeof(*b->tests));
	}
	b->tests[b->tests_n++] = path;
}

/* Parses one file and checks what stands at its top; doc stays NULL when it is not to be read. */
static void
file_parse(struct loading *ld, struct policy_file *f, struct str text)
{
	static const char *const known[] = { "version", "organisation", "policy", "owner",
		"applies_to", "mode", "explain", "code_mode", "ceiling", "rules", NULL };
	static const char *const later[] = { "tags", NULL };
	static const struct key_table keys = { "a policy file", known, later };
	struct yaml *doc;
	struct err e;

	if (!path_authority(f->path, &f->customer, &f->team)) {
		problem_at(&ld->problems, f->shown, 0, 0,
		    "stands outside root/ and customers/NAME/ (the path is the authority; move "
		    "it)");
		return;
	}
	if (str_ends(f->path, STR(".lua"))) {
		snippet_read(ld, f, text);
		return;
	}
	doc = yaml_parse(&f->arena, f->shown, text, &e);
	if (doc == NULL) {
		problem_err(&ld->problems, &e);
		return;
	}
	if (str_ends(f->path, STR("_test.yaml"))) {
		test_push(ld->b, f->shown);
		return;
	}
	if (!keys_check(&ld->problems, doc, &keys) || !version_check(ld, doc))
		return;
	if (yaml_get(doc, "organisation") == NULL && yaml_get(doc, "policy") == NULL)
		problem(&ld->problems, doc, "the file has neither organisation: nor policy:");
	else
		f->doc = doc;
}

static void
files_read(
    struct loading *ld, const struct folder *from, const struct paths *ps, struct sha256 *rev)
{
	struct str *parts = mem_zalloc((2 * ps->n + 1) * sizeof(*parts));
	struct buf *texts = mem_zalloc((ps->n + 1) * sizeof(*texts));
	struct str *names = arena_zalloc(&ld->b->arena, (ps->n + 1) * sizeof(*names));
	struct buf shown;

	buf_init(&shown, 0);
	ld->files = mem_zalloc((ps->n + 1) * sizeof(*ld->files));
	for (size_t i = 0; i < ps->n; i++) {
		struct policy_file *f = &ld->files[ld->files_n++];

		buf_reset(&shown);
		buf_printf(&shown, "%s/" STR_FMT, ld->src->dir, STR_ARG(ps->at[i]));
		buf_init(&texts[i], BUNDLE_FILE_BYTES * 2);
		arena_init(&f->arena, TREE_BYTES);
		f->path = str_of(arena_cstr(&ld->b->arena, ps->at[i]));
		names[i] = f->path;
		f->shown = arena_cstr(&ld->b->arena, buf_str(&shown));
		if (!file_text(ld, from, f, &texts[i]))
			continue;
		ld->bytes += texts[i].n;
		file_parse(ld, f, buf_str(&texts[i]));
		/* The path's NUL and the digest's own lengths keep two files from reading as one.
		 */
		parts[2 * i] = (struct str){ ps->at[i].p, ps->at[i].n + 1 };
		parts[2 * i + 1] = arena_printf(&ld->b->arena, "%zu:", texts[i].n);
	}
	ld->b->files = names;
	ld->b->files_n = ps->n;
	if (ld->problems.errors == 0) {
		struct buf all;

		buf_init(&all, 2 * BUNDLE_BYTES + (BUNDLE_FILES_MAX << 13));
		for (size_t i = 0; i < ps->n; i++) {
			buf_put(&all, parts[2 * i]);
			buf_put(&all, parts[2 * i + 1]);
			buf_put(&all, buf_str(&texts[i]));
		}
		ASSERT(buf_ok(&all));
		sha256(rev, buf_str(&all));
		buf_fini(&all);
	}
	for (size_t i = 0; i < ps->n; i++)
		buf_fini(&texts[i]);
	free(texts);
	free(parts);
	buf_fini(&shown);
}

/* ---- the bundle ---- */

static struct bundle *
bundle_new(void)
{
	struct bundle *b = mem_zalloc(sizeof(*b));

	b->magic = BUNDLE_MAGIC;
	arena_init(&b->arena, BUNDLE_ARENA_BYTES);
	map_init(&b->by_id);
	for (size_t i = 0; i < COUNT(b->by_name); i++)
		map_init(&b->by_name[i]);
	map_init(&b->sets);
	memo_init(&b->memo);
	b->zone = STR("UTC");
	b->zone_at = STR("");
	org_init(b);
	return b;
}

static void
bundle_build(struct loading *ld, const struct folder *from)
{
	struct paths ps = { 0 };
	struct sha256 rev = { 0 };
	struct buf hex;

	walk(&ld->problems, ld->src->dir, from, &ps);
	if (ps.n <= BUNDLE_FILES_MAX)
		files_read(ld, from, &ps, &rev);
	facts_take(ld, &rev);
	for (size_t i = 0; i < ld->files_n; i++) {
		struct yaml *doc = ld->files[i].doc;
		struct yaml *org = doc == NULL ? NULL : yaml_get(doc, "organisation");

		if (org != NULL)
			org_read(ld, &ld->files[i], org);
	}
	org_finish(ld);
	snippets_finish(ld);
	for (size_t i = 0; i < ld->files_n; i++)
		if (ld->files[i].doc != NULL)
			policy_read(ld, &ld->files[i]);
	policy_models(ld);
	buf_init(&hex, 0);
	buf_hex(&hex, rev.b, sizeof(rev.b));
	ld->b->rev = arena_str(&ld->b->arena, buf_str(&hex));
	buf_fini(&hex);
	paths_free(&ps);
}

struct bundle *
bundle_load(const struct bundle_source *src, struct buf *problems, struct err *e)
{
	struct loading ld = {
		.b = bundle_new(), .src = src, .problems = { .out = problems, .first = e }
	};
	struct folder from;
	struct err why;

	err_clear(e);
	map_init(&ld.limit_ids);
	if (folder_open(&from, src->dir, &why))
		bundle_build(&ld, &from);
	else
		problem_at(&ld.problems, src->dir, 0, 0, "%s", why.text);
	folder_close(&from);
	for (size_t i = 0; i < ld.files_n; i++)
		arena_free(&ld.files[i].arena);
	free(ld.files);
	map_fini(&ld.limit_ids);
	if (ld.problems.errors > 0) {
		problems_sum(&ld.problems);
		bundle_free(&ld.b);
	}
	return ld.b;
}

void
bundle_free(struct bundle **bp)
{
	struct bundle *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	IS(b, BUNDLE_MAGIC);
	b->magic = 0;
	org_free(b);
	for (uint32_t i = 0; i < b->sets_n; i++)
		free(b->set_bits[i]);
	free(b->set_bits);
	free(b->policies);
	free(b->subjects);
	free(b->tests);
	bundle_snippets_free(b);
	map_fini(&b->sets);
	via_free(b);
	memo_fini(&b->memo);
	arena_free(&b->arena);
	free(b);
}

struct str
bundle_rev(const struct bundle *b)
{
	IS(b, BUNDLE_MAGIC);
	return b->rev;
}
