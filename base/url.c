/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url - cut, never repaired: what two readers could read differently is no URL here.
 *
 * A host is letters, digits, dots, dashes and underscores, or an address in brackets; a port is
 * digits.  So no escape, no user:password@ and no backslash can make one host look like another.
 */
#include "base/url.h"

#include <string.h>

#define URL_BYTES_MAX 4096

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
host_ok(struct str s)
{
	bool six = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';

	for (size_t i = six; i < s.n - six; i++)
		if (!is_alnum(s.p[i]) && memchr(six ? ":." : ".-_", s.p[i], six ? 2 : 3) == NULL)
			return false;
	return s.n > 0 && s.n <= 253;
}

/* "host:port" -> the host; false: either is wrong. */
static bool
authority_cut(struct str s, struct str *host)
{
	const char *colon = memrchr(s.p, ':', s.n);
	int64_t port;

	if (colon == NULL || s.p[s.n - 1] == ']') {
		*host = s;
		return host_ok(s);
	}
	*host = STR_SPAN(s.p, colon);
	return host_ok(*host) && str_i64(STR_SPAN(colon + 1, s.p + s.n), &port) && port > 0 &&
	       port < 65536;
}

bool
url_parse(struct str s, struct url *out)
{
	struct str rest, authority;
	size_t scheme =
	    str_starts(s, STR("https://")) ? 8 : (str_starts(s, STR("http://")) ? 7 : 0);
	size_t n = 0;

	if (scheme == 0 || s.n > URL_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '\\')
			return false;
	s = str_cut(&s, '#');
	rest = (struct str){ s.p + scheme, s.n - scheme };
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	authority = (struct str){ rest.p, n };
	*out = (struct url){ .https = scheme == 8,
		.origin = { s.p, scheme + n },
		.target = { rest.p + n, rest.n - n } };
	if (n == 0 || !authority_cut(authority, &out->host))
		return false;
	rest = out->target;
	out->path = str_cut(&rest, '?');
	if (out->target.n == 0)
		out->target = STR("/");
	return out->target.p[0] == '/'; /* "host?query" is for nobody here */
}

bool
url_is_loopback(const struct url *u)
{
	struct str h = u->host;

	if (str_ieq(h, STR("localhost")) || str_eq(h, STR("[::1]")))
		return true;
	if (!str_starts(h, STR("127.")))
		return false;
	for (size_t i = 0; i < h.n; i++)
		if (h.p[i] != '.' && (h.p[i] < '0' || h.p[i] > '9'))
			return false; /* 127.0.0.1.example.com */
	return true;
}

void
buf_url(struct buf *b, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_alnum((char)c) || c == '-' || c == '.' || c == '_' || c == '~') {
			buf_putc(b, (char)c);
		} else {
			buf_putc(b, '%');
			buf_putc(b, hex[c >> 4]);
			buf_putc(b, hex[c & 15]);
		}
	}
}

bool
buf_issuer_metadata(struct buf *b, struct str issuer, int place)
{
	static const char *const words[] = { "/.well-known/oauth-authorization-server",
		"/.well-known/openid-configuration", "/.well-known/openid-configuration" };
	struct str path;
	struct url u;

	if (place < 0 || place >= (int)COUNT(words) || !url_parse(issuer, &u))
		return false;
	path = u.path;
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	if (place == 2 && path.n == 0)
		return false;
	buf_put(b, u.origin);
	buf_put(b, place == 2 ? path : STR(""));
	buf_puts(b, words[place]);
	buf_put(b, place == 2 ? STR("") : path);
	return buf_ok(b);
}
