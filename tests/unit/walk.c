/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk - symbolic links among policy files: what is followed, what is refused and by which name.
 *
 *	policies/			the folder
 *	outside/			beside it: nothing of it is ever read
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "policies/bundle.h"
#include "policies/facts.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define ORG                                                                                        \
	"version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        pay: { users: " \
	"{ ana: { groups: [dev] } } }\n"                                                           \
	"    beta: {}\n"
#define POLICY(id)                                                                                 \
	"version: 1\npolicy: " id "\napplies_to: { groups: [dev] }\nrules:\n  - allow: notes/" id  \
	"\n"
#define SNIPPET "-- Does it.\nreturn 1\n"
#define SECRET  "secret: of somebody else\n"

struct world {
	char *top, dir[800];
};

static void
at(const struct world *w, char out[800], const char *path)
{
	(void)snprintf(out, 800, "%s/%s", w->top, path);
}

static void
link_put(const struct world *w, const char *target, const char *path)
{
	char full[800], to[800];

	at(w, full, path);
	at(w, to, target[0] == '@' ? target + 1 : target); /* @: absolute, below the top */
	(void)unlink(full);
	CHECK(symlink(target[0] == '@' ? to : target, full) == 0);
}

static void
world_make(struct world *w, const char *sentence)
{
	TEST(sentence);
	w->top = folder_new();
	at(w, w->dir, "policies");
	folder_put(w->top, "policies/root/o.yaml", ORG);
	folder_put(w->top, "policies/root/wide.yaml", POLICY("wide"));
	folder_put(w->top, "policies/customers/acme/a.yaml", POLICY("acmes"));
	folder_put(w->top, "policies/customers/acme/teams/pay/t.yaml", POLICY("pays"));
	folder_put(w->top, "policies/customers/beta/b.yaml", POLICY("betas"));
	folder_put(w->top, "outside/secret.yaml", SECRET);
	folder_put(w->top, "outside/root/x.yaml", POLICY("x"));
	folder_put(w->top, "outside/s.lua", SNIPPET);
}

/* Loads; want: part of a problem, NULL: none, and so many policies. */
static void
loads(const struct world *w, const char *want, size_t policies)
{
	const struct bundle_source src = { .dir = w->dir };
	struct bundle *b;
	struct buf out;
	struct err e;

	buf_init(&out, 0);
	b = bundle_load(&src, &out, &e);
	if (want == NULL) {
		CHECK_STR(buf_str(&out), "");
		if (CHECK(b != NULL))
			CHECK_EQ_I((long long)b->policies_n, (long long)policies);
	} else if (!CHECK(b == NULL && strstr(buf_cstr(&out), want) != NULL)) {
		printf("    wanted %s\n    got    %s\n", want, buf_cstr(&out));
	}
	CHECK(strstr(buf_cstr(&out), "somebody else") == NULL);
	bundle_free(&b);
	buf_fini(&out);
}

static void
outside(void)
{
	static const struct {
		const char *target, *path, *want;
	} links[] = {
		{ "../../outside/secret.yaml", "policies/root/l.yaml",
		    "/policies/root/l.yaml: is a "
		    "symbolic link that leads out "
		    "of the policies, to /" },
		{ "@outside/secret.yaml", "policies/root/l.yaml",
		    "/outside/secret.yaml (put a copy" },
		{ "../../outside", "policies/root/d", "/policies/root/d: is a symbolic link that" },
		{ "@outside/root", "policies/customers/acme/d", "customers/acme/d: is a symbolic" },
		{ "/etc/passwd", "policies/customers/acme/l.yaml", "to /etc/passwd (put a copy" },
		{ "/dev/zero", "policies/root/l.yaml", "to /dev/zero" },
		{ "/proc/self", "policies/root/d", "/policies/root/d: is a symbolic link" },
		{ "../../outside/s.lua", "policies/root/snippets/l.lua",
		    "root/snippets/l.lua: is a" },
		{ "../../outside", "policies/root/snippets", "root/snippets: is a symbolic link" },
		{ "../policies2/x.yaml", "policies/root/l.yaml",
		    "l.yaml: is a symbolic link to "
		    "../policies2/x.yaml, which "
		    "cannot be read: No such" },
		{ "l.yaml", "policies/root/l.yaml", "cannot be read: Too many levels of symbolic" },
		{ "../../policies-not/x.yaml", "policies/root/l.yaml",
		    "leads out of the policies" },
	};

	for (size_t i = 0; i < COUNT(links); i++) {
		struct world w;

		world_make(&w, "what leads out of the folder is refused by name, and not read");
		folder_put(w.top, "policies-not/x.yaml", POLICY("not")); /* begins alike */
		if (strstr(links[i].path, "snippets/") != NULL)
			folder_put(w.top, "policies/root/snippets/ok.lua", SNIPPET);
		check_state.name = links[i].path;
		link_put(&w, links[i].target, links[i].path);
		loads(&w, links[i].want, 0);
		folder_drop(&w.top);
	}
}

static void
inside(void)
{
	struct world w;

	world_make(&w, "a link to what has the same authority, or a wider one, is followed");
	folder_put(w.top, "policies/root/.kept/more.yaml", POLICY("more"));
	link_put(&w, ".kept/more.yaml", "policies/root/more.yaml");
	link_put(&w, "@policies/root/.kept", "policies/root/folder");
	loads(&w, "policy \"more\"", 0); /* twice now: both were read */
	link_put(&w, "/", "policies/root/folder");
	loads(&w, "root/folder: is a symbolic link that leads out of the policies, to /", 0);
	folder_put(w.top, "policies/root/.kept/team.yaml", POLICY("team"));
	link_put(&w, "../../.kept", "policies/customers/acme/teams/pay/x");
	loads(&w, "x: is a symbolic link to ../../.kept", 0);
	folder_drop(&w.top);

	world_make(&w, "from a customer's or team's folder up, and beside");
	folder_put(w.top, "policies/root/.s/one.yaml", POLICY("one"));
	folder_put(w.top, "policies/customers/acme/.s/two.yaml", POLICY("two"));
	link_put(&w, "../../../../root/.s", "policies/customers/acme/teams/pay/wider");
	link_put(&w, "../../.s/two.yaml", "policies/customers/acme/teams/pay/two.yaml");
	loads(&w, NULL, 6);
	folder_drop(&w.top);

	world_make(&w, "the folder itself may be a link, and parts of it a mounted volume");
	link_put(&w, "policies", "current");
	at(&w, w.dir, "current");
	loads(&w, NULL, 4);
	folder_put(w.top, "policies/customers/gamma/..2026_01/g.yaml", POLICY("gammas"));
	folder_put(w.top, "policies/..2026_01/root/mounted.yaml", POLICY("mounted"));
	folder_put(w.top, "policies/root/g.yaml",
	    "version: 1\norganisation:\n  customers:\n    gamma: {}\n");
	link_put(&w, "..2026_01", "policies/customers/gamma/..data");
	link_put(&w, "..data/g.yaml", "policies/customers/gamma/g.yaml");
	link_put(&w, "../..2026_01/root", "policies/root/sub");
	loads(&w, NULL, 6);
	folder_drop(&w.top);
}

static void
authority(void)
{
	static const struct {
		const char *target, *path;
	} links[] = {
		{ "../customers/acme/a.yaml", "policies/root/l.yaml" },
		{ "../customers/acme", "policies/root/d" },
		{ "../customers/acme/teams/pay/t.yaml", "policies/root/l.yaml" },
		{ "../beta/b.yaml", "policies/customers/acme/l.yaml" },
		{ "../beta", "policies/customers/acme/d" },
		{ "teams/pay/t.yaml", "policies/customers/acme/l.yaml" },
		{ "../../../beta/b.yaml", "policies/customers/acme/teams/pay/l.yaml" },
		{ "beta", "policies/customers/gamma" },
	};

	for (size_t i = 0; i < COUNT(links); i++) {
		struct world w;

		world_make(&w, "a link to what others may change than its folder's owners is not");
		check_state.name = links[i].path;
		link_put(&w, links[i].target, links[i].path);
		loads(&w, "where others may write than here (the path is the authority", 0);
		folder_drop(&w.top);
	}
}

static void
snippets_and_tests(void)
{
	struct world w;
	char path[800];

	world_make(&w, "snippets are files like any");
	folder_put(w.top, "policies/root/snippets/one.lua", SNIPPET);
	folder_put(w.top, "policies/customers/beta/snippets/theirs.lua", SNIPPET);
	link_put(&w, "one.lua", "policies/root/snippets/two.lua");
	loads(&w, NULL, 4);
	link_put(&w, "../../customers/beta/snippets/theirs.lua", "policies/root/snippets/l.lua");
	loads(
	    &w, "root/snippets/l.lua: is a symbolic link to customers/beta/snippets/theirs.lua", 0);
	at(&w, path, "policies/root/snippets/l.lua");
	CHECK(unlink(path) == 0);
	CHECK(mkfifo(path, 0600) == 0); /* nobody writes: and nobody waits */
	loads(&w, "l.lua: is not a plain file", 0);
	CHECK(unlink(path) == 0);
	link_put(&w, "../../outside/secret.yaml", "policies/root/x_test.yaml");
	loads(&w, "x_test.yaml: is a symbolic link that leads out", 0);
	link_put(&w, "../../outside/secret.yaml", "policies/root/README.md"); /* not ours */
	link_put(&w, "wide.yaml", "policies/root/x_test.yaml");
	loads(&w, NULL, 4);
	folder_drop(&w.top);
}

static void
making(void)
{
	struct folder f;
	struct world w;
	struct buf real;
	struct err e;
	char path[800];
	int fd;

	world_make(&w, "folders are made inside, and no link leads that out");
	CHECK(folder_open(&f, w.dir, &e));
	fd = folder_make(&f, "customers/beta/teams/new/snippets", &e);
	CHECK(fd >= 0);
	(void)close(fd);
	at(&w, path, "policies/customers/beta/teams/new/snippets");
	CHECK(access(path, F_OK) == 0);
	link_put(&w, "../../../outside", "policies/customers/beta/snippets");
	CHECK_EQ_I(folder_make(&f, "customers/beta/snippets/deep", &e), -1);
	CHECK(strstr(e.text, "customers/beta/snippets is a symbolic link that leads out") != NULL);
	at(&w, path, "outside/deep");
	CHECK(access(path, F_OK) != 0);
	buf_init(&real, 0);
	fd = folder_find(&f, "customers/beta/snippets", &real, &e);
	CHECK(fd >= 0 && folder_outside(&real));
	(void)close(fd);
	buf_reset(&real);
	fd = folder_find(&f, "", &real, &e);
	CHECK(fd >= 0 && real.n == 0);
	(void)close(fd);
	CHECK_EQ_I(folder_make(&f, "root/o.yaml/x", &e), -1);
	folder_close(&f);
	buf_fini(&real);
	CHECK(!folder_open(&f, "/no/such/folder", &e));
	folder_close(&f);
	CHECK(!folder_open(&f, "/etc/passwd", &e));
	CHECK_EQ_S(e.text, "is not a folder");
	folder_close(&f);
	folder_drop(&w.top);
}

int
main(void)
{
	outside();
	inside();
	authority();
	snippets_and_tests();
	making();
	return check_done();
}
