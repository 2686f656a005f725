/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippets - the scripts of a bundle that its keys call as functions, and who sees which.
 *
 * The path is the authority, as for policies: root/snippets/ is everybody's,
 * customers/C/snippets/ of C's keys, customers/C/teams/T/snippets/ of T's.  No nearer folder hides
 * what a wider one has: for a key a name means one file, whatever is added elsewhere later; two
 * that some key would see are refused when they are loaded.
 *
 * The text is not compiled here (the gateway has no Lua): `tollgate check` does that, and the
 * worker when it is called.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/json.h"
#include "policies/core.h"
#include "policies/facts.h"
#include "policies/snippet.h"

#define VERSION_BYTES  6
#define CHECK_BYTES    ((size_t)4 << 20)
#define RECALLED_BYTES ((size_t)1 << 20)

static bool
name_ok(struct str name)
{
	if (name.n == 0 || name.n > SNIPPET_NAME_MAX || name.p[0] < 'a' || name.p[0] > 'z' ||
	    lua_keyword(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!(name.p[i] >= 'a' && name.p[i] <= 'z') && name.p[i] != '_' &&
		    !(name.p[i] >= '0' && name.p[i] <= '9'))
			return false;
	return true;
}

/* root/snippets/x.lua, customers/C/snippets/x.lua, customers/C/teams/T/snippets/x.lua: its name;
 * STR_NONE elsewhere. */
static struct str
name_of(const struct policy_file *f)
{
	struct str rest = f->path, part = str_cut(&rest, '/');
	int above = f->team.n > 0 ? 3 : f->customer.n > 0 ? 1 : 0;

	(void)part;
	while (above-- > 0)
		(void)str_cut(&rest, '/');
	if (rest.p == NULL || !str_eq(str_cut(&rest, '/'), STR(SNIPPET_FOLDER)) || rest.p == NULL ||
	    str_has(rest, '/'))
		return STR_NONE;
	return (struct str){ rest.p, rest.n - 4 }; /* .lua */
}

static bool
room(struct loading *ld, const struct policy_file *f, size_t n)
{
	struct bundle *b = ld->b;

	if (n > SNIPPET_BYTES_MAX)
		problem_at(&ld->problems, f->shown, 0, 0, "a snippet has %zu KiB at most",
		    SNIPPET_BYTES_MAX >> 10);
	else if (b->snippets_n == SNIPPETS_MAX)
		problem_at(&ld->problems, f->shown, 0, 0, "a bundle has %d snippets at most",
		    SNIPPETS_MAX);
	else if (b->snippets_bytes + n > SNIPPETS_BYTES_MAX)
		problem_at(&ld->problems, f->shown, 0, 0,
		    "the snippets of a bundle have %zu MiB at most", SNIPPETS_BYTES_MAX >> 20);
	else if (arena_left(&b->arena) <= 2 * BUNDLE_ARENA_RESERVE)
		problem_at(&ld->problems, f->shown, 0, 0,
		    "the bundle is too large (%zu MiB when compiled)", BUNDLE_ARENA_BYTES >> 20);
	else
		return true;
	return false;
}

static void
push(struct bundle *b, const struct snippet *s)
{
	if (b->snippets_n == b->snippets_cap) {
		b->snippets_cap = b->snippets_cap == 0 ? 16 : b->snippets_cap * 2;
		b->snippets = mem_realloc(b->snippets, b->snippets_cap * sizeof(*b->snippets));
	}
	b->snippets[b->snippets_n++] = *s;
}

static struct str
version_of(struct arena *a, struct str source)
{
	struct sha256 digest;
	struct buf hex;
	struct str v;

	sha256(&digest, source);
	buf_init(&hex, 0);
	buf_hex(&hex, digest.b, VERSION_BYTES);
	v = arena_str(a, buf_str(&hex));
	buf_fini(&hex);
	return v;
}

void
snippet_read(struct loading *ld, const struct policy_file *f, struct str text)
{
	struct arena *a = &ld->b->arena;
	struct snippet s = {
		.name = name_of(f), .file = f->path, .customer = f->customer, .team = f->team
	};

	if (s.name.p == NULL) {
		problem_at(&ld->problems, f->shown, 0, 0,
		    "a snippet stands in root/snippets/, customers/NAME/snippets/ or "
		    "customers/NAME/teams/NAME/snippets/ (move it)");
		return;
	}
	if (!name_ok(s.name)) {
		problem_at(&ld->problems, f->shown, 0, 0,
		    "a snippet is named by small letters, digits and _, a letter first, %d at "
		    "most, "
		    "and by no word of Lua (rename the file)",
		    SNIPPET_NAME_MAX);
		return;
	}
	if (!room(ld, f, text.n))
		return;
	ld->b->snippets_bytes += text.n;
	s.source = arena_str(a, text);
	s.version = version_of(a, text);
	if (snippet_head_read(&ld->problems, f->shown, a, &s))
		push(ld->b, &s);
}

/* An authority holds another, or they are apart. */
bool
snippets_meet(const struct snippet *x, const struct snippet *y)
{
	return (x->customer.n == 0 || y->customer.n == 0 || str_eq(x->customer, y->customer)) &&
	       (x->team.n == 0 || y->team.n == 0 || str_eq(x->team, y->team));
}

/* Whom the folder is of is somebody of the files. */
static bool
level_there(const struct bundle *b, struct str customer, struct str team, struct err *e)
{
	return customer.n == 0 || org_find(b, team.n > 0 ? LEVEL_TEAM : LEVEL_CUSTOMER, customer,
				      team, STR(""), e) != NULL;
}

static const char *
shown(struct loading *ld, const struct snippet *s)
{
	return arena_cstr(&ld->b->arena,
	    arena_printf(&ld->b->arena, "%s/" STR_FMT, ld->src->dir, STR_ARG(s->file)));
}

void
snippets_finish(struct loading *ld)
{
	const struct bundle *b = ld->b;

	for (size_t i = 0; i < b->snippets_n; i++) {
		const struct snippet *x = &b->snippets[i];
		struct err e;

		if (!level_there(b, x->customer, x->team, &e))
			problem_at(&ld->problems, shown(ld, x), 0, 0, "%s", e.text);
		for (size_t k = 0; k < i; k++) {
			const struct snippet *y = &b->snippets[k];

			if (str_eq(x->name, y->name) && snippets_meet(x, y))
				problem_at(&ld->problems, shown(ld, x), 0, 0,
				    "there is a snippet of that name in " STR_FMT
				    ", and some keys would see both (rename one)",
				    STR_ARG(y->file));
		}
	}
}

void
bundle_snippets_free(struct bundle *b)
{
	free(b->snippets);
}

/* ---- who sees which ---- */

static int
by_name(const void *a, const void *b)
{
	return str_cmp(
	    (*(const struct snippet *const *)a)->name, (*(const struct snippet *const *)b)->name);
}

void
core_snippets(const struct core *c, const struct key *k, snippet_f *fn, void *ctx)
{
	const struct bundle *b = c->bundle;
	const struct snippet *seen[SNIPPETS_MAX] = { NULL };
	struct str owner[3];
	size_t n = 0;

	IS(c, CORE_MAGIC);
	key_owner(k, owner);
	for (size_t i = 0; i < b->snippets_n; i++) {
		const struct snippet *s = &b->snippets[i];

		if ((s->customer.n == 0 || str_eq(s->customer, owner[0])) &&
		    (s->team.n == 0 || str_eq(s->team, owner[1])))
			seen[n++] = s;
	}
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	qsort(seen, n, sizeof(*seen), by_name);
	for (size_t i = 0; i < n; i++)
		fn(ctx, seen[i]);
}

void
core_all_snippets(const struct core *c, snippet_f *fn, void *ctx)
{
	IS(c, CORE_MAGIC);
	for (size_t i = 0; i < c->bundle->snippets_n; i++)
		fn(ctx, &c->bundle->snippets[i]);
}

bool
core_snippet_place(const struct core *c, struct str folder, struct str name, struct err *e)
{
	const struct bundle *b = c->bundle;
	struct snippet s = { .name = name };
	struct buf path;
	bool ok;

	IS(c, CORE_MAGIC);
	if (!name_ok(name))
		return err_set(e, ERR_INVALID,
		    "a snippet is named by small letters, digits and _, a letter first, %d at "
		    "most, "
		    "and by no word of Lua",
		    SNIPPET_NAME_MAX);
	buf_init(&path, 0);
	buf_put(&path, folder);
	buf_puts(&path, "/" SNIPPET_FOLDER "/x.lua");
	ok = path_authority(buf_str(&path), &s.customer, &s.team);
	s.file = buf_str(&path);
	ok = ok && name_of(&(struct policy_file){
			       .path = buf_str(&path), .customer = s.customer, .team = s.team })
			   .p != NULL;
	if (!ok)
		(void)err_set(e, ERR_INVALID,
		    "a snippet's folder is root, customers/NAME or customers/NAME/teams/NAME");
	ok = ok && level_there(b, s.customer, s.team, e);
	for (size_t i = 0; ok && i < b->snippets_n; i++)
		if (str_eq(b->snippets[i].name, name) && snippets_meet(&b->snippets[i], &s))
			ok = err_set(e, ERR_INVALID, "there is a snippet of that name: " STR_FMT,
			    STR_ARG(b->snippets[i].file));
	buf_fini(&path);
	return ok;
}

/* ---- how often ---- */

bool
snippets_any(const struct core *c)
{
	return c->bundle->snippets_n > 0;
}

/* "name@12ab…": one use. */
static void
learn(struct core *c, const struct frequent_of *of, struct str version, int64_t when_s)
{
	char tool[SNIPPET_NAME_MAX + 16];
	struct buf b = { .p = tool, .cap = sizeof(tool), .limit = sizeof(tool) };

	buf_puts(&b, SNIPPET_FOLDER "/");
	buf_put(&b, str_clip(str_cut(&version, '@'), SNIPPET_NAME_MAX));
	frequent_learn(&c->frequents, of, buf_str(&b), when_s, 1);
}

void
snippets_learn(struct core *c, const struct frequent_of *of, struct str versions, int64_t when_s)
{
	for (size_t n = 0; versions.n > 0 && n < SNIPPETS_SHOWN; n++)
		learn(c, of, str_cut(&versions, ' '), when_s);
}

static struct str
text_of(struct str event, struct str name, struct arena *a)
{
	struct str raw, text = STR("");

	if (json_get(event, name, &raw) && json_kind(raw) == JSON_STRING)
		(void)json_string(raw, a, &text);
	return text;
}

void
snippets_recall(struct core *c, const struct audit_row *r)
{
	struct frequent_of of;
	struct json_iter it;
	struct str list, key, raw, one;
	struct arena a;

	if (memmem(r->event.p, r->event.n, "\"snippets\":", 11) == NULL ||
	    r->event.n > RECALLED_BYTES / 8)
		return;
	arena_init(&a, RECALLED_BYTES);
	of.customer = text_of(r->event, STR("customer"), &a);
	of.team = text_of(r->event, STR("team"), &a);
	of.user = text_of(r->event, STR("user"), &a);
	if (json_get(r->event, STR("snippets"), &list) && json_open(list, &it) &&
	    str_eq(text_of(r->event, STR("kind"), &a), STR("run")) &&
	    str_eq(text_of(r->event, STR("end"), &a), STR("ok")))
		while (json_next(&it, &key, &raw))
			if (json_string(raw, &a, &one) && str_has(one, '@'))
				learn(c, &of, one, r->ts_ns / 1000000000);
	arena_free(&a);
}

bool
policies_snippets(const struct core_settings *s, snippets_f *fn, void *ctx, struct err *e)
{
	struct bundle *b = bundle_of(s, NULL, e);

	if (b == NULL)
		return false;
	fn(ctx, b->snippets, b->snippets_n);
	bundle_free(&b);
	return true;
}

bool
snippet_check(const char *file, struct str source, struct err *e)
{
	struct problems p = { .first = e };
	struct snippet s = { .source = source };
	struct arena a;
	bool ok;

	err_clear(e);
	if (source.n > SNIPPET_BYTES_MAX)
		return err_set(e, ERR_INVALID, "%s: a snippet has %zu KiB at most", file,
		    SNIPPET_BYTES_MAX >> 10);
	arena_init(&a, CHECK_BYTES);
	ok = snippet_head_read(&p, file, &a, &s);
	arena_free(&a);
	return ok;
}
