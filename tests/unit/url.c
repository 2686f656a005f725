/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url - what is a URL, whose host it names, and everything that two readers could read differently.
 */
#include "base/url.h"

#include "tests/unit/check.h"

static bool
parts(const char *text, const char *origin, const char *host, const char *path, const char *target)
{
	struct url u;

	return url_parse(str_of(text), &u) && str_eq(u.origin, str_of(origin)) &&
	       str_eq(u.host, str_of(host)) && str_eq(u.path, str_of(path)) &&
	       str_eq(u.target, str_of(target));
}

static void
test_parts(void)
{
	TEST("scheme, host, port, path and query");
	CHECK(parts("https://a.example", "https://a.example", "a.example", "", "/"));
	CHECK(parts("https://a.example/", "https://a.example", "a.example", "/", "/"));
	CHECK(parts("http://a:80/x/y?z=1&w", "http://a:80", "a", "/x/y", "/x/y?z=1&w"));
	CHECK(parts("https://[::1]:8443/m", "https://[::1]:8443", "[::1]", "/m", "/m"));
	CHECK(parts("https://a.example/x#y?z", "https://a.example", "a.example", "/x", "/x"));
}

static void
test_refused(void)
{
	static const char *const bad[] = { "", "a.example", "ftp://a", "https:/a", "https://",
		"https:///x", "https://u:p@a/", "https://u@a/", "https://a b/", "https://a\\@b/",
		"https://a:x/", "https://a:/", "https://a:0/", "https://a:65536/", "https://a?x=1",
		"https://a%2eb/", "https://a/\n", "https://\xc3\xa4/", "https://[::1",
		"https://::1/", "HTTPS://a/", "https://a,b/", "https://[a@b]/" };
	struct url u;

	TEST("what is no URL, or could be read in two ways");
	for (size_t i = 0; i < COUNT(bad); i++)
		check_that(!url_parse(str_of(bad[i]), &u), __FILE__, __LINE__, bad[i]);
}

static void
test_loopback(void)
{
	static const char *const yes[] = { "http://localhost/", "http://LOCALHOST:1/",
		"http://127.0.0.1/", "http://127.9.9.9:80", "http://[::1]/" };
	static const char *const no[] = { "http://127.0.0.1.example.com/", "http://localhost.a/",
		"http://10.0.0.1/", "http://[::2]/", "http://a127.0.0.1/" };
	struct url u;

	TEST("loopback as it is written");
	for (size_t i = 0; i < COUNT(yes); i++)
		check_that(url_parse(str_of(yes[i]), &u) && url_is_loopback(&u), __FILE__, __LINE__,
		    yes[i]);
	for (size_t i = 0; i < COUNT(no); i++)
		check_that(url_parse(str_of(no[i]), &u) && !url_is_loopback(&u), __FILE__, __LINE__,
		    no[i]);
}

static void
test_encode(void)
{
	struct buf b;

	TEST("only unreserved characters stand for themselves");
	buf_init(&b, 0);
	buf_url(&b, STR("aZ09-._~ /?&=+%\xc3\xa4\n"));
	CHECK_STR(b, "aZ09-._~%20%2F%3F%26%3D%2B%25%C3%A4%0A");
	buf_fini(&b);
}

static bool
metadata(const char *issuer, int place, const char *want)
{
	struct buf b;
	bool ok;

	buf_init(&b, 0);
	ok = buf_issuer_metadata(&b, str_of(issuer), place) && str_eq(buf_str(&b), str_of(want));
	buf_fini(&b);
	return ok;
}

static void
test_metadata(void)
{
	struct buf b;

	TEST("where an issuer tells about itself");
	buf_init(&b, 0);
	CHECK(metadata("https://a", 0, "https://a/.well-known/oauth-authorization-server"));
	CHECK(metadata("https://a/", 1, "https://a/.well-known/openid-configuration"));
	CHECK(!buf_issuer_metadata(&b, STR("https://a"), 2));
	CHECK(metadata("https://a/x/", 0, "https://a/.well-known/oauth-authorization-server/x"));
	CHECK(metadata("https://a/x", 1, "https://a/.well-known/openid-configuration/x"));
	CHECK(metadata("https://a/x", 2, "https://a/x/.well-known/openid-configuration"));
	CHECK(!buf_issuer_metadata(&b, STR("https://a/x"), 3));
	CHECK(!buf_issuer_metadata(&b, STR("a"), 0));
	buf_fini(&b);
}

int
main(void)
{
	test_metadata();
	test_parts();
	test_refused();
	test_loopback();
	test_encode();
	return check_done();
}
