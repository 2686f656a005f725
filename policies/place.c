/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - paths and hosts in arguments.
 *
 * The rules of a path are those under which every program agrees what it names: a text that
 * normalises to itself.  A path that would have to be cleaned first ("/repo//a", "/repo/./a") is
 * refused as well, so that what is judged is what is forwarded, and the pattern in the listed
 * schema says the same as the judgement.
 *
 * A host is what stands between :// and the first of / ? #, and nothing clever: names of ASCII
 * letters (an internationalised name in its xn-- form), canonical IPv4, IPv6 in brackets.
 */
#include "policies/place.h"

#include <arpa/inet.h>
#include <string.h>

#include "policies/regex.h"

static bool
no(const char **why, const char *text)
{
	*why = text;
	return false;
}

/* ---- deceiving texts ---- */

static const struct {
	uint32_t lo, hi;
} hidden[] = { { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x61c, 0x61c },
	{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
	{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb }, { 0xe0000, 0xe0fff } },
  alike[] = { { 0x2024, 0x2026 }, { 0x2044, 0x2044 }, { 0x2212, 0x2212 }, { 0x2215, 0x2216 },
	  { 0x2223, 0x2223 }, { 0x2236, 0x2236 }, { 0x29f5, 0x29f9 }, { 0x3002, 0x3002 },
	  { 0xfe52, 0xfe52 }, { 0xfe68, 0xfe68 }, { 0xff01, 0xff5e }, { 0xff61, 0xff61 },
	  { 0x212a, 0x212a }, { 0x17f, 0x17f }, { 0x1d400, 0x1d7ff } };

bool
text_deceives(struct str text, const char **why)
{
	const char *p = text.p, *end = text.p + text.n;

	while (p < end) {
		uint32_t c = (unsigned char)*p;

		if (c >= 0x20 && c < 0x7f) {
			p++;
			continue;
		}
		c = utf8_next(&p);
		for (size_t i = 0; i < COUNT(hidden); i++)
			if (c >= hidden[i].lo && c <= hidden[i].hi) {
				*why = "holds a control or invisible character";
				return true;
			}
		for (size_t i = 0; i < COUNT(alike); i++)
			if (c >= alike[i].lo && c <= alike[i].hi) {
				*why = "holds a look-alike of an ASCII character";
				return true;
			}
	}
	return false;
}

static bool
in_ranges(uint32_t c)
{
	for (size_t i = 0; i < COUNT(hidden); i++)
		if (c >= hidden[i].lo && c <= hidden[i].hi)
			return true;
	for (size_t i = 0; i < COUNT(alike); i++)
		if (c >= alike[i].lo && c <= alike[i].hi)
			return true;
	return false;
}

void
text_show(struct str text, size_t max, struct buf *out)
{
	const char *p, *end;

	if (!str_utf8(text)) {
		buf_puts(out, "(not UTF-8)");
		return;
	}
	text = str_clip(text, max);
	p = text.p;
	end = text.p + text.n;
	while (p < end) {
		const char *from = p;
		uint32_t c = (unsigned char)*p;

		if (c < 0x80)
			p++;
		else
			c = utf8_next(&p);
		if (in_ranges(c))
			buf_printf(out, "\\u{%x}", (unsigned)c);
		else
			buf_put(out, STR_SPAN(from, p));
	}
}

/* ---- paths ---- */

static bool
segment_plain(struct str s, const char **why)
{
	size_t n = s.n;

	if (s.n == 0)
		return no(why, "has an empty segment (//)");
	if (s.p[0] == '~')
		return no(why, "has a segment that begins with ~");
	/* "..", ". ", "..." : what some systems trim to one of the first two. */
	while (n > 0 && (s.p[n - 1] == '.' || s.p[n - 1] == ' '))
		n--;
	if (n == 0)
		return no(why, "has a . or .. segment");
	return true;
}

bool
path_plain(struct str path, bool relative, const char **why)
{
	struct str rest = path;

	if (path.n == 0)
		return no(why, "is empty");
	if (text_deceives(path, why))
		return false;
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (c == '\\')
			return no(why, "has a backslash");
		if (c == '%' && i + 2 < path.n && hex_digit(path.p[i + 1]) >= 0 &&
		    hex_digit(path.p[i + 2]) >= 0)
			return no(why, "has a percent escape");
	}
	if (path.p[0] == '/') {
		rest.p++;
		rest.n--;
	} else if (!relative) {
		return no(why, "is not absolute");
	} else if (path.n > 1 && path.p[1] == ':') {
		return no(why, "has a drive letter");
	}
	if (rest.n > 0 && rest.p[rest.n - 1] == '/')
		rest.n--;
	if (rest.n == 0)
		return path.n == 1 || no(why, "has an empty segment (//)");
	while (rest.p != NULL)
		if (!segment_plain(str_cut(&rest, '/'), why))
			return false;
	return true;
}

bool
path_under(struct str path, struct str base, bool *exact)
{
	struct str head;

	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	head = (struct str){ path.p, path.n < base.n ? path.n : base.n };
	*exact = str_eq(head, base);
	return str_ieq(head, base) && (path.n == base.n || path.p[base.n] == '/');
}

/* ---- hosts ---- */

static bool
scheme_cut(struct str url, struct str *rest, int *port)
{
	static const int ports[] = { 443, 80, 443, 80 };
	static const struct str schemes[] = { STR("https://"), STR("http://"), STR("wss://"),
		STR("ws://") };

	for (size_t i = 0; i < COUNT(schemes); i++) {
		struct str head = { url.p, schemes[i].n };

		if (url.n < schemes[i].n || !str_ieq(head, schemes[i]))
			continue;
		*rest = (struct str){ url.p + schemes[i].n, url.n - schemes[i].n };
		*port = ports[i];
		return true;
	}
	return false;
}

static bool
port_cut(struct str *authority, int *port, const char **why)
{
	size_t i = authority->n;
	int64_t n;

	*port = 0;
	while (i > 0 && authority->p[i - 1] >= '0' && authority->p[i - 1] <= '9')
		i--;
	if (i == 0 || authority->p[i - 1] != ':')
		return true;
	if (!str_i64((struct str){ authority->p + i, authority->n - i }, &n) || n < 1 || n > 65535)
		return no(why, "has no valid port");
	*port = (int)n;
	authority->n = i - 1;
	return true;
}

static bool
host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* The last label alone tells a number from a name: "1.2", "0x7f.1", "2130706433" are numbers to
 * some resolvers, so only the canonical form of an address passes. */
static bool
number_check(struct host *h, const char **why)
{
	struct str text = { h->text, h->n }, last;
	struct in_addr v4;
	char back[INET_ADDRSTRLEN];
	bool hex;
	size_t i = text.n;

	while (i > 0 && text.p[i - 1] != '.')
		i--;
	last = (struct str){ text.p + i, text.n - i };
	hex = str_starts(last, STR("0x"));
	for (i = 0; i < last.n && !hex; i++)
		if (last.p[i] < '0' || last.p[i] > '9')
			return true;
	h->number = true;
	if (hex || inet_pton(AF_INET, h->text, &v4) != 1 ||
	    inet_ntop(AF_INET, &v4, back, sizeof(back)) == NULL || strcmp(back, h->text) != 0)
		return no(why, "has a number in place of a host that is no plain IPv4 address");
	return true;
}

static bool
host_take(struct str name, struct host *h, const char **why)
{
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > HOST_BYTES_MAX)
		return no(why, "has no host, or a too long one");
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		h->text[i] = c;
	}
	h->n = name.n;
	h->text[h->n] = '\0';
	if (h->text[0] == '[') {
		struct in6_addr v6;
		char inner[64], back[INET6_ADDRSTRLEN];

		h->number = true;
		if (h->n < 4 || h->text[h->n - 1] != ']' ||
		    !str_copy(inner, sizeof(inner), (struct str){ h->text + 1, h->n - 2 }) ||
		    inet_pton(AF_INET6, inner, &v6) != 1 ||
		    inet_ntop(AF_INET6, &v6, back, sizeof(back)) == NULL ||
		    strcmp(back, inner) != 0)
			return no(why, "has no IPv6 address in its shortest form");
		return true;
	}
	for (size_t i = 0; i < h->n; i++) {
		if (!host_char(h->text[i]))
			return no(
			    why, "has a host with other characters than a-z 0-9 - . (write xn--)");
		if (h->text[i] == '.' && (i == 0 || h->text[i - 1] == '.'))
			return no(why, "has a host with an empty label");
	}
	return number_check(h, why);
}

bool
url_host(struct str url, struct host *out, const char **why)
{
	struct str rest;
	size_t n = 0;
	int port = 0;

	*out = (struct host){ .n = 0 };
	if (text_deceives(url, why))
		return false;
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] == '\\' || url.p[i] == ' ')
			return no(why, "has a backslash or a space");
	if (!scheme_cut(url, &rest, &port))
		return no(why, "is no http or https URL");
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != '#')
		n++;
	rest.n = n;
	if (str_has(rest, '@'))
		return no(why, "has a user name before its host");
	if (!port_cut(&rest, &out->port, why) || !host_take(rest, out, why))
		return false;
	if (out->port == 0)
		out->port = port;
	return true;
}

bool
host_entry_ok(struct str entry, const char **why)
{
	struct host h = { .n = 0 };
	struct str name = entry;

	if (str_starts(name, STR("*."))) {
		name.p += 2;
		name.n -= 2;
	}
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] >= 'A' && name.p[i] <= 'Z')
			return no(why, "is written in lower case");
	if (!port_cut(&name, &h.port, why) || !host_take(name, &h, why))
		return false;
	if (h.n != name.n)
		return no(why, "is written without a dot at its end");
	return !(h.number && entry.p[0] == '*') || no(why, "is an address: no *. before it");
}

bool
host_is(const struct host *h, struct str entry)
{
	struct str name = entry, text = { h->text, h->n };
	const char *why;
	int port;

	if (!port_cut(&name, &port, &why))
		return false;
	if (port != 0 && port != h->port)
		return false;
	if (!str_starts(name, STR("*.")))
		return str_eq(name, text);
	name.p++;
	name.n--;
	return text.n > name.n && str_ends(text, name);
}
