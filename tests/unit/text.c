/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text - views and growing buffers: every function at its edges; a full buffer stays failed and
 * whole; `*` patterns against a matcher written as a table; the vector path of plain bytes against
 * the definition.
 */
#include "base/text.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static void
test_compare(void)
{
	struct str a = STR("abc"), nul = { "a\0c", 3 };

	TEST("equal, ordered, starting, ending");
	CHECK(str_of(NULL).p == NULL && str_of(NULL).n == 0 && str_of("").n == 0);
	CHECK(str_eq(a, str_of("abc")) && !str_eq(a, STR("abd")) && !str_eq(a, STR("ab")));
	CHECK(str_eq(STR_NONE, STR("")) && !str_eq(nul, STR("a")) && str_eq(nul, nul));
	CHECK(str_ieq(STR("aBz@["), STR("AbZ@[")) && !str_ieq(STR("@"), STR("`")));
	CHECK(!str_ieq(STR("["), STR("{")) && !str_ieq(STR("a"), STR("ab")));
	CHECK(!str_ieq(STR("\xc3\x84"), STR("\xc3\xa4")));
	CHECK(str_starts(a, STR("")) && str_starts(a, STR("ab")) && str_starts(a, a));
	CHECK(!str_starts(a, STR("bc")) && !str_starts(a, STR("abcd")) &&
	      str_starts(STR_NONE, STR("")));
	TEST("cut between characters");
	CHECK(str_eq(str_clip(a, 9), a) && str_eq(str_clip(a, 3), a));
	CHECK(str_eq(str_clip(a, 2), STR("ab")) && str_clip(a, 0).n == 0);
	CHECK(str_eq(str_clip(STR("a\xc3\xa4\xe2\x82\xac"), 5), STR("a\xc3\xa4")));
	CHECK(str_eq(str_clip(STR("a\xc3\xa4\xe2\x82\xac"), 2), STR("a")));
	CHECK(str_ends(a, STR("")) && str_ends(a, STR("bc")) && str_ends(a, a));
	CHECK(!str_ends(a, STR("ab")) && !str_ends(a, STR("xabc")));
	CHECK(str_cmp(a, a) == 0 && str_cmp(a, STR("abd")) < 0 && str_cmp(a, STR("ab")) > 0);
	CHECK(str_cmp(STR(""), a) < 0 && str_cmp(STR_NONE, STR("")) == 0);
	CHECK(str_cmp(STR("\xff"), STR("a")) > 0);
	CHECK(str_has(a, 'c') && !str_has(a, 'd') && !str_has(STR_NONE, 'a') && str_has(nul, '\0'));
	CHECK(str_in(STR("B"), (struct str[]){ STR("a"), STR("b") }, 2));
	CHECK(!str_in(STR("c"), (struct str[]){ STR("a"), STR("b") }, 2) && !str_in(a, NULL, 0));
}

static void
test_cut(void)
{
	struct str rest = STR("a,,b"), s;

	TEST("cut: every field once, then nothing");
	CHECK_STR(str_cut(&rest, ','), "a");
	CHECK_STR(str_cut(&rest, ','), "");
	CHECK_STR(rest, "b");
	CHECK_STR(str_cut(&rest, ','), "b");
	CHECK(rest.p == NULL && rest.n == 0);
	s = str_cut(&rest, ',');
	CHECK(s.p == NULL && s.n == 0 && rest.p == NULL);
	rest = STR("a,");
	CHECK_STR(str_cut(&rest, ','), "a");
	CHECK(rest.p != NULL && rest.n == 0); /* an empty field stands behind the separator */
	CHECK_STR(str_cut(&rest, ','), "");
	CHECK(rest.p == NULL);
	CHECK_STR(str_trim(STR(" \t a b\t ")), "a b");
	CHECK(str_trim(STR(" \t ")).n == 0 && str_trim(STR_NONE).n == 0);
	CHECK_STR(str_trim(STR("\n a")), "\n a");
}

static void
test_numbers(void)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "1-",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999", "1e3", "/",
		":" };
	int64_t values[] = { 0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN, INT64_MAX - 1 }, v;
	struct buf b;

	TEST("whole numbers there and back; nothing else is one");
	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(values); i++) {
		char text[32];

		buf_reset(&b);
		buf_i64(&b, values[i]);
		(void)snprintf(text, sizeof(text), "%lld", (long long)values[i]);
		CHECK_STR(b, text);
		CHECK(str_i64(buf_str(&b), &v) && v == values[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		v = 77;
		CHECK(!str_i64(str_of(bad[i]), &v));
		CHECK_EQ_I(v, 77);
	}
	CHECK(str_i64(STR("-0"), &v) && v == 0 && str_i64(STR("007"), &v) && v == 7);
	CHECK(!str_i64((struct str){ "1\0", 2 }, &v));
	buf_fini(&b);
}

static void
test_copies(void)
{
	char dst[4] = "zzz", *p = str_dup((struct str){ "a\0b", 3 });

	TEST("copies end in NUL and say when they did not fit");
	CHECK(memcmp(p, "a\0b", 4) == 0);
	free(p);
	p = str_dup(STR_NONE);
	CHECK_EQ_S(p, "");
	free(p);
	CHECK(str_copy(dst, sizeof(dst), STR("abc")));
	CHECK_EQ_S(dst, "abc");
	CHECK(!str_copy(dst, sizeof(dst), STR("wxyz")));
	CHECK_EQ_S(dst, "wxy");
	CHECK(str_copy(dst, 1, STR("")) && dst[0] == '\0');
	CHECK(!str_copy(dst, 1, STR("a")) && dst[0] == '\0');
}

static void
test_utf8(void)
{
	static const char *const good[] = { "", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", "a\xc3\xa9z\xe2\x82\xac" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z",
		"\xc2\xc0", "\xe0\x9f\xbf", "\xe0\xa0", "\xe1\x80z", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
		"abc\xfe", "\xf0\x90\x80z", "\xe1z\x80" };

	TEST("UTF-8 by RFC 3629");
	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(str_utf8(str_of(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!str_utf8(str_of(bad[i])));
	CHECK(str_utf8((struct str){ "\0", 1 }));
}

static void
test_plain(void)
{
	char text[80];

	TEST("plain bytes: what a JSON string holds as it stands, at every place and length");
	for (int c = 0; c < 256; c++) {
		bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';

		for (size_t n = 1; n < sizeof(text); n += 5)
			for (size_t at = 0; at < n; at += 3) {
				memset(text, 'x', sizeof(text));
				text[at] = (char)c;
				CHECK(str_plain((struct str){ text, n }) == (plain ? n : at));
			}
	}
	CHECK(str_plain(STR("")) == 0);
}

/* The definition: row[i] says whether the pattern so far matches the first i characters. */
static bool
star_model(struct str p, struct str s)
{
	bool row[64] = { true };

	ASSERT(s.n < COUNT(row));
	for (size_t k = 0; k < p.n; k++) {
		bool before = row[0];

		row[0] = before && p.p[k] == '*';
		for (size_t i = 1; i <= s.n; i++) {
			bool diagonal = before;

			before = row[i];
			row[i] =
			    p.p[k] == '*' ? row[i] || row[i - 1] : diagonal && p.p[k] == s.p[i - 1];
		}
	}
	return row[s.n];
}

static void
test_star(void)
{
	static const struct {
		const char *pattern, *name;
		bool yes;
	} row[] = { { "", "", true }, { "", "a", false }, { "*", "", true }, { "*", "a/b", true },
		{ "a", "a", true }, { "a", "A", false }, { "a*", "a", true }, { "a*", "ba", false },
		{ "*a", "ba", true }, { "*a", "ab", false }, { "a*b*c", "axxbyyc", true },
		{ "a*b*c", "axxcyyb", false }, { "**", "x", true }, { "a**b", "ab", true },
		{ "*.get_*", "github.get_issue", true }, { "?", "a", false }, { "[a]", "a", false },
		{ "*ab", "aab", true }, { "*aab", "aaab", true }, { "\\*", "\\x", true } };
	long yes = 0;

	TEST("`*` matches any characters, everything else itself");
	for (size_t i = 0; i < COUNT(row); i++)
		CHECK(str_star(str_of(row[i].pattern), str_of(row[i].name)) == row[i].yes);

	TEST("`*` agrees with the definition on random patterns");
	srand(9);
	for (int i = 0; i < 40000; i++) {
		char pattern[8], name[12];
		struct str p = { pattern, (size_t)rand() % sizeof(pattern) };
		struct str s = { name, (size_t)rand() % sizeof(name) };

		for (size_t k = 0; k < sizeof(pattern); k++)
			pattern[k] = "*ab*"[rand() % 4];
		for (size_t k = 0; k < sizeof(name); k++)
			name[k] = "ab"[rand() % 2];
		CHECK(str_star(p, s) == star_model(p, s));
		yes += str_star(p, s);
	}
	CHECK(yes > 4000 && yes < 36000);
}

static void
test_star_hostile(void)
{
	static char name[20000], pattern[2000];

	TEST("a hostile pattern costs pattern times name, no more");
	memset(name, 'a', sizeof(name));
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 1] = 'b';
	CHECK(!str_star(
	    (struct str){ pattern, sizeof(pattern) }, (struct str){ name, sizeof(name) }));
}

static void
test_nearest(void)
{
	static const struct str names[] = { STR("models"), STR("tools"), STR("policies_directory"),
		STR("") };
	char longer[100];

	TEST("the nearest name within two letters, three in a long one");
	CHECK_STR(str_nearest(STR("tols"), names, COUNT(names)), "tools");
	CHECK_STR(str_nearest(STR("MODELS"), names, COUNT(names)), "models");
	CHECK_STR(str_nearest(STR("modles"), names, COUNT(names)), "models");
	CHECK(str_nearest(STR("mdls"), names, COUNT(names)).n == 6);
	CHECK(str_nearest(STR("xyz"), names, COUNT(names)).p == NULL);
	CHECK_STR(str_nearest(STR("policy_directory"), names, COUNT(names)), "policies_directory");
	CHECK(str_nearest(STR("plicy_dirctry"), names, COUNT(names)).p == NULL);
	CHECK(str_nearest(STR(""), names, COUNT(names)).p == NULL);
	CHECK(str_nearest(STR("to"), (struct str[]){ STR("ab") }, 1).p == NULL);
	memset(longer, 'm', sizeof(longer));
	CHECK(str_nearest((struct str){ longer, sizeof(longer) }, names, COUNT(names)).p == NULL);
	CHECK(str_nearest(STR("m"), &(struct str){ longer, sizeof(longer) }, 1).p == NULL);
	CHECK(str_nearest(STR("a"), NULL, 0).p == NULL);
}

static void
test_digits(void)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	struct str all[] = { STR("b"), STR(""), STR("ab"), STR("a") };
	struct buf b;

	TEST("hexadecimal digits, and every byte that is none");
	for (int i = 0; i < 32; i++)
		CHECK_EQ_I(hex_digit(digits[i]), i % 16);
	for (int c = 0; c < 256; c++)
		CHECK((hex_digit((char)c) < 0) == (c == 0 || strchr(digits, c) == NULL));
	TEST("an order for qsort()");
	qsort(all, COUNT(all), sizeof(all[0]), str_order);
	for (size_t i = 1; i < COUNT(all); i++)
		CHECK(str_cmp(all[i - 1], all[i]) < 0);
	TEST("a moment in UTC");
	buf_init(&b, 0);
	buf_utc(&b, 951782399); /* the last second before a 29th of February */
	buf_utc(&b, 951782400);
	buf_utc(&b, -1);
	CHECK_STR(buf_str(&b),
	    "\"2000-02-28T23:59:59Z\"\"2000-02-29T00:00:00Z\"\"1969-12-31T23:59:59Z\"");
	buf_fini(&b);
}

static void
test_buf(void)
{
	struct buf b;

	TEST("a buffer grows, drops, resets");
	buf_init(&b, 0);
	CHECK(b.limit == BUF_LIMIT_DEFAULT && b.p == NULL && buf_ok(&b));
	CHECK_EQ_S(buf_cstr(&b), "");
	buf_put(&b, STR_NONE);
	buf_drop(&b, 0);
	CHECK(b.p == NULL);
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d", i);
	CHECK(b.n == 3000 && memcmp(b.p + 2997, "999", 3) == 0);
	buf_drop(&b, 2994);
	CHECK_EQ_S(buf_cstr(&b), "998999");
	buf_putc(&b, '\0');
	buf_hex(&b, "\x00\x7f\xff", 3);
	CHECK_MEM(b.p, b.n,
	    "998999\0"
	    "007fff",
	    13);
	buf_drop(&b, b.n);
	CHECK(b.n == 0 && b.cap > 0);
	CHECK_EQ_S(buf_cstr(&b), "");
	buf_printf(&b, "%0600d|", 7); /* longer than any small buffer inside */
	CHECK(b.n == 601 && b.p[599] == '7' && b.p[600] == '|');
	buf_reset(&b);
	CHECK(b.n == 0 && b.cap > 0);
	buf_fini(&b);
	CHECK(b.p == NULL && b.cap == 0);
}

static void
test_sticky(void)
{
	struct buf b;

	TEST("the write past the limit changes nothing, and no later one does");
	buf_init(&b, 10);
	buf_puts(&b, "12345678");
	CHECK(buf_ok(&b));
	buf_puts(&b, "abc");
	CHECK(!buf_ok(&b));
	buf_putc(&b, 'x');
	buf_puts(&b, "y");
	buf_i64(&b, 1);
	buf_printf(&b, "%d", 1);
	buf_hex(&b, "a", 1);
	buf_json_str(&b, STR("a"));
	CHECK(buf_room(&b, 1) == NULL && buf_room(&b, 0) == NULL);
	CHECK_STR(b, "12345678");
	buf_reset(&b);
	CHECK(buf_ok(&b));
	buf_puts(&b, "0123456789");
	CHECK(buf_ok(&b) && b.n == 10 && b.cap == 10);
	buf_put(&b, STR(""));
	CHECK(buf_ok(&b));
	CHECK_EQ_S(buf_cstr(&b), "012345678"); /* full: the last byte gives way */
	buf_reset(&b);
	CHECK(buf_room(&b, SIZE_MAX) == NULL && !buf_ok(&b));
	buf_reset(&b);
	CHECK(buf_room(&b, 10) != NULL && buf_room(&b, 11) == NULL);
	buf_fini(&b);
}

static void
test_xml(void)
{
	struct buf b;

	buf_init(&b, 0);
	TEST("text in XML and HTML closes no tag, no attribute, and has no control character");
	buf_xml(&b, (struct str){ "a<b>&\"c'\n\x1b[0m\0\xc3\xa9", 16 });
	CHECK_STR(buf_str(&b), "a&lt;b&gt;&amp;&quot;c'&#10;?[0m?\xc3\xa9");
	buf_fini(&b);
}

static void
test_json_str(void)
{
	static const struct {
		const char *text, *json;
	} row[] = { { "", "\"\"" }, { "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\r\t", "\"\\n\\r\\t\"" },
		{ "\x01\x1f\x7f\x1b[0m", "\"\\u0001\\u001f\\u007f\\u001b[0m\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e",
		    "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"" },
		{ "a\xc2\x9b"
		  "2J\xc2\x80\xc2\xa0",
		    "\"a\\u009b2J\\u0080\xc2\xa0\"" },
		{ "a\xffz", "\"a\xef\xbf\xbdz\"" }, { "\xc3", "\"\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "0123456789abcdef\"0123456789abcdef",
		    "\"0123456789abcdef\\\"0123456789abcdef\"" } };
	struct buf b;

	TEST("JSON strings: quoted, escaped, always UTF-8");
	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(row); i++) {
		buf_reset(&b);
		buf_json_str(&b, str_of(row[i].text));
		CHECK_STR(b, row[i].json);
		CHECK(str_utf8(buf_str(&b)));
	}
	buf_reset(&b);
	buf_json_str(&b, (struct str){ "\0", 1 });
	CHECK_STR(b, "\"\\u0000\"");
	buf_fini(&b);
}

int
main(void)
{
	test_compare();
	test_cut();
	test_numbers();
	test_copies();
	test_utf8();
	test_plain();
	test_star();
	test_star_hostile();
	test_nearest();
	test_digits();
	test_buf();
	test_sticky();
	test_xml();
	test_json_str();
	return check_done();
}
