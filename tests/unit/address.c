/* SPDX-License-Identifier: Apache-2.0 */
/* address - parsing, ranges, and the client behind proxies. */
#include "gateway/address.h"

#include <string.h>

#include "tests/unit/check.h"

static void
parse(const char *text, bool ok, const char *in)
{
	struct address a;
	struct address_range r;
	bool got = address_parse(str_of(text), &a);

	CHECK(got == ok);
	if (!ok || in == NULL)
		return;
	CHECK(range_parse(str_of(in), &r));
	CHECK(address_in(&a, &r, 1));
}

static void
parses(void)
{
	parse("10.1.2.3", true, "10.0.0.0/8");
	parse("10.1.2.3:80", true, "10.1.2.3");
	parse("::1", true, "::1/128");
	parse("[::1]:80", true, "::1");
	parse("[fd00::1]", true, "fc00::/7");
	parse("::ffff:10.1.2.3", true, "10.1.2.0/24");
	parse("0.0.0.0", true, "0.0.0.0/0");
	parse("", false, NULL);
	parse("10.1.2", false, NULL);
	parse("10.1.2.3.4", false, NULL);
	parse("010.1.2.3", false, NULL);
	parse("localhost", false, NULL);
	parse("[::1", false, NULL);
	parse("1:2", false, NULL);
	parse("[::1].evil.example.com", false, NULL);
	parse("[::1]x", false, NULL);
	parse("127.0.0.1:x", false, NULL);
	parse("127.0.0.1:", false, NULL);
	parse("127.0.0.1:65536", false, NULL);
	parse("10.1.2.3 ", false, NULL);
	parse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    false, NULL);
}

static void
ranges(void)
{
	static const char *const wrong[] = { "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/", "10.0.0.0/x", "/8", "::1/127", "::/129", "" };
	struct address_range r;
	struct address a;

	for (size_t i = 0; i < COUNT(wrong); i++)
		CHECK(!range_parse(str_of(wrong[i]), &r));
	CHECK(range_parse(STR("10.128.0.0/9"), &r));
	CHECK(address_parse(STR("10.127.255.255"), &a) && !address_in(&a, &r, 1));
	CHECK(address_parse(STR("10.255.0.1"), &a) && address_in(&a, &r, 1));
	CHECK(address_parse(STR("::1"), &a) && !address_in(&a, &r, 1) && address_is_loopback(&a));
	CHECK(address_parse(STR("127.9.9.9"), &a) && address_is_loopback(&a));
	CHECK(address_parse(STR("126.9.9.9"), &a) && !address_is_loopback(&a));
	CHECK(address_parse(STR("::2"), &a) && !address_is_loopback(&a));
}

static void
client_is(const char *peer, const char *first, const char *second, const char *want)
{
	struct http1_head head = { .n = 0 };
	struct address_range trusted[2];
	char out[ADDRESS_TEXT];
	struct str got;

	CHECK(range_parse(STR("10.0.0.0/8"), &trusted[0]) && range_parse(STR("::1"), &trusted[1]));
	if (first != NULL)
		head.h[head.n++] = (struct header){ STR("X-Forwarded-For"), str_of(first) };
	head.h[head.n++] = (struct header){ STR("x-other"), STR("9.9.9.9") };
	if (second != NULL)
		head.h[head.n++] = (struct header){ STR("x-forwarded-for"), str_of(second) };
	got = address_client(str_of(peer), &head, trusted, 2, out);
	CHECK_MEM(got.p, got.n, want, strlen(want));
}

static void
clients(void)
{
	client_is("10.0.0.1:99", "203.0.113.7", NULL, "203.0.113.7");
	client_is("11.0.0.1:99", "203.0.113.7", NULL, "11.0.0.1:99");
	client_is("10.0.0.1:99", NULL, NULL, "10.0.0.1:99");
	client_is("10.0.0.1:99", "1.2.3.4, 203.0.113.7", NULL, "203.0.113.7");
	client_is("10.0.0.1:99", "1.2.3.4, 203.0.113.7 ,10.2.2.2", NULL, "203.0.113.7");
	client_is("10.0.0.1:99", "1.2.3.4, 203.0.113.7", "10.2.2.2", "203.0.113.7");
	client_is("10.0.0.1:99", "10.7.7.7, 10.2.2.2", NULL, "10.7.7.7");
	client_is("10.0.0.1:99", "203.0.113.7, nonsense", NULL, "10.0.0.1");
	client_is("10.0.0.1:99", "203.0.113.7, nonsense, 10.2.2.2", NULL, "10.2.2.2");
	client_is("10.0.0.1:99", "", NULL, "10.0.0.1");
	client_is("[::1]:99", "[2001:DB8::5]:4711", NULL, "2001:db8::5");
	client_is("local:0", "203.0.113.7", NULL, "local:0");
}

static void
many(void)
{
	struct http1_head head = { .n = 1 };
	struct address_range trusted;
	char out[ADDRESS_TEXT];
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "203.0.113.7");
	for (int i = 0; i < 5000; i++)
		buf_puts(&b, ",10.1.1.1");
	head.h[0] = (struct header){ STR("x-forwarded-for"), buf_str(&b) };
	CHECK(range_parse(STR("10.0.0.0/8"), &trusted));
	CHECK(str_eq(address_client(STR("10.0.0.1:9"), &head, &trusted, 1, out), STR("10.1.1.1")));
	buf_fini(&b);
}

int
main(void)
{
	parses();
	ranges();
	clients();
	many();
	return check_done();
}
