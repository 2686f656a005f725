/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker - at which failure it opens, for whom, for how long, what closes it, and how much it
 * keeps.
 */
#include "policies/breaker.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/check.h"

static struct sha256 one, other;

static struct breaker_call
call(const struct sha256 *args)
{
	return (struct breaker_call){ args, STR("k_1"), STR("fs/read"), STR("s1") };
}

static bool
refused(const struct breaker *b, const struct breaker_call *c, int64_t now_ms, int *wait_s)
{
	struct err e = { 0 };
	bool ok = breaker_ask(b, c, now_ms, &e);

	CHECK(ok || e.code == ERR_RATE);
	CHECK(ok || strstr(e.text, "fs/read: this same call has failed 5 times") != NULL);
	*wait_s = e.retry_after_s;
	return !ok;
}

static void
fail(struct breaker *b, const struct breaker_call *c, int times, int64_t now_ms)
{
	for (int i = 0; i < times; i++)
		breaker_tell(b, c, true, now_ms);
}

static void
test_opens(void)
{
	struct breaker_call c = call(&one), d = call(&other), s = c, k = c, t = c;
	struct breaker b;
	int wait;

	TEST(
	    "the fifth failure in a row opens it, for this call only, and the time told is enough");
	breaker_init(&b);
	s.session = STR("s2");
	k.key = STR("k_2");
	t.tool = STR("fs/read2");
	fail(&b, &c, BREAKER_FAILS - 1, 1000);
	CHECK(!refused(&b, &c, 1000, &wait));
	fail(&b, &c, 1, 1500);
	CHECK(refused(&b, &c, 1500, &wait) && wait == 60);
	CHECK(!refused(&b, &d, 1500, &wait));
	CHECK(!refused(&b, &s, 1500, &wait));
	CHECK(!refused(&b, &k, 1500, &wait));
	CHECK(!refused(&b, &t, 1500, &wait));
	CHECK(refused(&b, &c, 1500 + BREAKER_OPEN_MS - 1, &wait) && wait == 1);
	CHECK(!refused(&b, &c, 1500 + BREAKER_OPEN_MS, &wait));
	TEST("then it counts from the first again");
	fail(&b, &c, BREAKER_FAILS - 1, 1500 + BREAKER_OPEN_MS);
	CHECK(!refused(&b, &c, 1500 + BREAKER_OPEN_MS, &wait));
	fail(&b, &c, 1, 1500 + BREAKER_OPEN_MS);
	CHECK(refused(&b, &c, 1500 + BREAKER_OPEN_MS, &wait));
	TEST("those that were on their way do not make it longer; one that works closes it");
	fail(&b, &c, BREAKER_FAILS, 1500 + BREAKER_OPEN_MS + 30000);
	CHECK(refused(&b, &c, 1500 + BREAKER_OPEN_MS + 30000, &wait) && wait == 30);
	breaker_tell(&b, &c, false, 1500 + BREAKER_OPEN_MS + 30000);
	CHECK(!refused(&b, &c, 1500 + BREAKER_OPEN_MS + 30000, &wait));
	CHECK(b.by_call.n == 0);
	breaker_fini(&b);
}

static void
test_in_a_row(void)
{
	struct breaker_call c = call(&one);
	struct breaker b;
	int wait;

	TEST("one that works begins the row anew");
	breaker_init(&b);
	fail(&b, &c, BREAKER_FAILS - 1, 0);
	breaker_tell(&b, &c, false, 1);
	fail(&b, &c, BREAKER_FAILS - 1, 2);
	CHECK(!refused(&b, &c, 2, &wait));
	fail(&b, &c, 1, 2);
	CHECK(refused(&b, &c, 2, &wait));
	breaker_fini(&b);

	TEST("five within a minute, whichever five; not five at all");
	breaker_init(&b);
	for (int i = 0; i < 50; i++) {
		fail(&b, &c, 1, i * (BREAKER_WINDOW_MS / (BREAKER_FAILS - 1)));
		CHECK(!refused(&b, &c, i * (BREAKER_WINDOW_MS / (BREAKER_FAILS - 1)), &wait));
	}
	breaker_fini(&b);
	breaker_init(&b);
	fail(&b, &c, 1, 0);
	for (int i = 0; i < BREAKER_FAILS - 1; i++)
		fail(&b, &c, 1, 50000 + i);
	CHECK(refused(&b, &c, 50100, &wait));
	breaker_fini(&b);
}

static void
test_bound(void)
{
	struct breaker_call first = call(&other), c = call(&one);
	struct breaker b;
	char name[32];
	int wait;

	TEST("it keeps so many, the one that failed longest ago goes, and none for longer than it "
	     "counts");
	breaker_init(&b);
	fail(&b, &first, BREAKER_FAILS, 0);
	for (int i = 0; i < BREAKER_CALLS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		c.session = str_of(name);
		CHECK(refused(&b, &first, i, &wait));
		fail(&b, &c, 1, i);
	}
	CHECK(!refused(&b, &first, BREAKER_CALLS_MAX, &wait));
	CHECK(b.by_call.n == BREAKER_CALLS_MAX);
	fail(&b, &first, 1, BREAKER_CALLS_MAX + BREAKER_WINDOW_MS);
	CHECK(b.by_call.n == 1);
	breaker_fini(&b);
}

int
main(void)
{
	sha256(&one, STR("{\"path\":\"/a\"}"));
	sha256(&other, STR("{\"path\":\"/b\"}"));
	test_opens();
	test_in_a_row();
	test_bound();
	return check_done();
}
