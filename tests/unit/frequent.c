/* SPDX-License-Identifier: Apache-2.0 */
/* What a team uses most: decay in days, order, bounds, and the ledger read at a start. */
#include <stdlib.h>

#include "policies/frequent.h"
#include "tests/unit/check.h"

#define DAY 86400

static const struct frequent_of core_team = { { "acme", 4 }, { "core", 4 }, { "ana", 3 } },
				web_team = { { "acme", 4 }, { "web", 3 }, { "bob", 3 } },
				alone = { { "acme", 4 }, { "", 0 }, { "cem", 3 } },
				other = { { "acme", 4 }, { "", 0 }, { "dan", 3 } };

static struct str
best(struct frequents *f, const struct frequent_of *of, int64_t now_s)
{
	static struct buf b;
	struct str names[8];
	size_t n = frequent_best(f, of, now_s, names, 8);

	buf_fini(&b);
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s" STR_FMT, i > 0 ? " " : "", STR_ARG(names[i]));
	return buf_str(&b);
}

int
main(void)
{
	struct frequents f;
	struct str names[1];

	frequents_init(&f);
	TEST("nothing is known at first");
	CHECK_STR(best(&f, &core_team, 0), "");

	TEST("the most used first, ties by name");
	frequent_learn(&f, &core_team, STR("git/log"), 100 * DAY, 1);
	frequent_learn(&f, &core_team, STR("git/add"), 100 * DAY, 1);
	frequent_learn(&f, &core_team, STR("fs/read"), 100 * DAY, 5);
	CHECK_STR(best(&f, &core_team, 100 * DAY), "fs/read git/add git/log");
	CHECK_EQ_I(frequent_best(&f, &core_team, 100 * DAY, names, 1), 1);

	TEST("a team is another one, and who has none stands alone");
	frequent_learn(&f, &web_team, STR("web/fetch"), 100 * DAY, 1);
	frequent_learn(&f, &alone, STR("sql/query"), 100 * DAY, 1);
	CHECK_STR(best(&f, &web_team, 100 * DAY), "web/fetch");
	CHECK_STR(best(&f, &alone, 100 * DAY), "sql/query");
	CHECK_STR(best(&f, &other, 100 * DAY), "");

	TEST("a week halves it: five uses then are less than three now");
	frequent_learn(&f, &core_team, STR("git/log"), 107 * DAY, 1);
	CHECK_STR(best(&f, &core_team, 107 * DAY), "fs/read git/log git/add");
	frequent_learn(&f, &core_team, STR("git/log"), 107 * DAY, 2);
	CHECK_STR(best(&f, &core_team, 107 * DAY), "git/log fs/read git/add");

	TEST("what is long ago is forgotten");
	CHECK_STR(best(&f, &core_team, 300 * DAY), "");

	TEST("the ledger may tell of older days after younger ones");
	frequent_learn(&f, &other, STR("a/old"), 200 * DAY, 1);
	frequent_learn(&f, &other, STR("a/old"), 193 * DAY, 100);
	frequent_learn(&f, &other, STR("a/new"), 200 * DAY, 40);
	CHECK_STR(best(&f, &other, 200 * DAY), "a/old a/new");
	frequent_learn(&f, &other, STR("a/new"), 200 * DAY, 12);
	CHECK_STR(best(&f, &other, 200 * DAY), "a/new a/old");

	TEST("numbers from a damaged ledger do no harm");
	frequent_learn(&f, &other, STR("a/new"), -5, INT64_MAX);
	frequent_learn(&f, &other, STR("a/new"), INT64_MAX / 2, INT64_MAX);
	frequent_learn(&f, &other, STR("a/new"), INT64_MAX / 2, INT64_MAX);
	CHECK_STR(best(&f, &other, INT64_MAX / 2), "a/new");

	TEST("pairs are bounded: the one that was longest unused makes room");
	for (int i = 0; i < FREQUENT_PAIRS_MAX + 10; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "srv/tool%d", i);
		frequent_learn(&f, &web_team, str_of(name), 100 * DAY, 1);
	}
	CHECK_EQ_I(f.by_id.n, FREQUENT_PAIRS_MAX);
	CHECK_STR(best(&f, &alone, 100 * DAY), "");
	frequents_fini(&f);
	return check_done();
}
