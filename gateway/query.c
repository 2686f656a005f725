/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query - what a query says, and what of it may go to a provider.
 *
 * Gemini's clients and some scripts put their key into the query.  Ours is not believed there (a
 * query ends up in logs and histories), and whatever stands there is the agent's own: it never goes
 * on.  Neither do the parameters by which Google's APIs give another form to a reply, in which its
 * usage may be missing: what it cost is read there.  Names and values are compared as a provider
 * would read them, percent-decoded.  Everything else passes byte for byte and in its order.
 */
#include "gateway/gateway.h"

#define VALUE_BYTES 4096 /* of one that is asked for; longer ones are not seen */

/* Percent-decoded into out, which has room for s.n bytes. */
static struct str
decoded(struct str s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool escape = s.p[i] == '%' && s.n - i > 2;
		int high = escape ? hex_digit(s.p[i + 1]) : -1;
		int low = escape ? hex_digit(s.p[i + 2]) : -1;

		if (high >= 0 && low >= 0) {
			out[n++] = (char)(high << 4 | low);
			i += 2;
		} else {
			out[n++] = s.p[i];
		}
	}
	return (struct str){ out, n };
}

struct str
query_get(struct str query, struct str name, struct arena *a)
{
	while (query.p != NULL) {
		struct str value = str_cut(&query, '&'), key = str_cut(&value, '=');

		if (str_eq(key, name) && value.p != NULL && value.n <= VALUE_BYTES)
			return decoded(value, arena_alloc(a, value.n + 1));
	}
	return STR("");
}

static bool
holds_virtual_key(struct str text)
{
	for (size_t i = 0; i + KEY_SECRET_BYTES <= text.n; i++)
		if (key_looks_like((struct str){ text.p + i, KEY_SECRET_BYTES }))
			return true;
	return false;
}

static bool
is_credential(struct str parameter, char *room)
{
	static const char *const names[] = { "key", "api_key", "api-key", "apikey", "x-api-key",
		"x-goog-api-key", "x-tollgate-key", "access_token", "auth_token", "token",
		"authorization", "oauth_token", "bearer_token" };
	struct str value = parameter, name = decoded(str_cut(&value, '='), room);

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_ieq(name, str_of(names[i])))
			return true;
	return holds_virtual_key(decoded(parameter, room));
}

/* fields=candidates, alt=proto, callback=f; $… are the system parameters: $fields, $httpHeaders. */
static bool
forms_reply(struct str parameter, char *room)
{
	struct str value = decoded(parameter, room), name = str_cut(&value, '=');

	return (name.n > 0 && name.p[0] == '$') || str_ieq(name, STR("fields")) ||
	       str_ieq(name, STR("callback")) ||
	       (str_ieq(name, STR("alt")) && !str_eq(value, STR("sse")));
}

struct str
query_clean(struct arena *a, struct str query)
{
	struct str rest = query;
	struct buf b;
	char *room;
	size_t dropped = 0;

	if (query.n == 0)
		return STR("");
	room = arena_alloc(a, query.n);
	buf_init(&b, query.n);
	while (rest.p != NULL) {
		struct str one = str_cut(&rest, '&');

		if (is_credential(one, room) || forms_reply(one, room)) {
			dropped++;
			continue;
		}
		if (b.n > 0)
			buf_putc(&b, '&');
		buf_put(&b, one);
	}
	if (dropped > 0)
		query = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return query;
}
