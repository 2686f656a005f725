/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - any bytes as a policy file: never a crash, and what loads can be asked.
 *
 * The first byte chooses the folder, and with it the authority.  A bundle that loads answers every
 * question of a small table twice, alike; without an allow in its text it allows nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena scopes = { .limit = 1 << 20 }; /* of subjects */

static const char *const places[] = { "root", "customers/acme", "customers/acme/teams/payments" };
static const char *const folders[] = { "root", "customers", "customers/acme",
	"customers/acme/teams", "customers/acme/teams/payments" };
static const struct str servers[] = { STR("github"), STR("notes") };

static char dir[64];

static void
put(const char *place, const char *name, const void *p, size_t n)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, place, name);
	f = fopen(path, "w");
	if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		abort();
}

static void
prepare(void)
{
	static const char org[] = "version: 1\norganisation:\n  customers:\n    acme:\n"
				  "      teams:\n        payments:\n          users: { ana: {} }\n";
	char path[256];

	(void)snprintf(dir, sizeof(dir), "/tmp/tollgate-fuzz-%d", (int)getpid());
	(void)mkdir(dir, 0700);
	for (size_t i = 0; i < COUNT(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		(void)mkdir(path, 0700);
	}
	put("root", "org.yaml", org, sizeof(org) - 1);
}

static bool
says_allow(const uint8_t *data, size_t n)
{
	return memmem(data, n, "allow", 5) != NULL || memmem(data, n, "models", 6) != NULL ||
	       memchr(data, '\\', n) != NULL || memchr(data, 0, n) != NULL;
}

static void
ask_all(struct bundle *b, bool may_allow)
{
	static const struct {
		enum ask_kind kind;
		const char *name, *asked;
	} asks[] = { { ASK_TOOL, "github/get", "" }, { ASK_TOOL, "notes/delete_x", "" },
		{ ASK_TOOL, "x", "" }, { ASK_MODEL, "claude-a", "sonnet" },
		{ ASK_RUN, "run", "" } };
	struct verdict one, two;
	struct subject s;
	struct err e;

	if (!subject_resolve(b,
		&(struct key_spec){ .customer = STR("acme"),
		    .team = STR("payments"),
		    .user = STR("ana"),
		    .name = STR("k") },
		&scopes, &s, &e))
		abort();
	for (size_t i = 0; i < COUNT(asks); i++) {
		rules_decide(
		    b, &s, asks[i].kind, str_of(asks[i].name), str_of(asks[i].asked), &one);
		rules_decide(
		    b, &s, asks[i].kind, str_of(asks[i].name), str_of(asks[i].asked), &two);
		const struct limit *l[4];
		const struct ask a = { .kind = asks[i].kind,
			.name = str_of(asks[i].name),
			.requested = str_of(asks[i].asked),
			.args = STR("{\"a\":1}") };
		size_t limits = rules_limits(b, &s, &a, l, COUNT(l));

		for (size_t k = 0; k < limits && k < COUNT(l); k++)
			if (l[k]->amount < 1 || l[k]->amount > LIMIT_AMOUNT_MAX)
				abort();
		if (limits != rules_limits(b, &s, &a, l, 0))
			abort();
		if (one.allowed != two.allowed || (one.allowed && !may_allow))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct bundle_source src = {
		.dir = dir, .servers = servers, .servers_n = COUNT(servers)
	};
	const char *place;
	struct buf problems;
	struct bundle *b;
	struct err e;
	char path[256];

	if (n < 1)
		return 0;
	if (dir[0] == '\0')
		prepare();
	place = places[data[0] % COUNT(places)];
	put(place, "fuzz.yaml", data + 1, n - 1);
	buf_init(&problems, 0);
	b = bundle_load(&src, &problems, &e);
	if (b == NULL && (e.code != ERR_INVALID || problems.n == 0))
		abort();
	if (b != NULL)
		ask_all(b, says_allow(data + 1, n - 1));
	bundle_free(&b);
	buf_fini(&problems);
	(void)snprintf(path, sizeof(path), "%s/%s/fuzz.yaml", dir, place);
	(void)unlink(path);
	return 0;
}
