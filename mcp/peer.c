/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - capabilities as bits, log levels as numbers.
 *
 * A client's capabilities are read once and written anew towards servers, so that a server is never
 * told of one that could not be served here.
 */
#include "mcp/peer.h"

static const struct str levels[] = { STR("debug"), STR("info"), STR("notice"), STR("warning"),
	STR("error"), STR("critical"), STR("alert"), STR("emergency") };

int
peer_log_level(struct str raw)
{
	if (json_kind(raw) == JSON_STRING)
		for (size_t i = 0; i < COUNT(levels); i++)
			if (json_string_is(raw, levels[i]))
				return (int)i;
	return -1;
}

const char *
peer_log_word(int level)
{
	ASSERT(level >= 0 && level < (int)COUNT(levels));
	return levels[level].p;
}

static bool
has(struct str object, struct str name, struct str *v)
{
	return json_get(object, name, v) && json_kind(*v) == JSON_OBJECT;
}

unsigned
peer_caps(struct str capabilities)
{
	struct str v, part;
	unsigned caps = 0;

	if (json_kind(capabilities) != JSON_OBJECT)
		return 0;
	if (has(capabilities, STR("roots"), &v))
		caps |= PEER_ROOTS;
	if (has(capabilities, STR("sampling"), &v)) {
		caps |= PEER_SAMPLING;
		caps |= has(v, STR("tools"), &part) ? PEER_SAMPLING_TOOLS : 0;
		caps |= has(v, STR("context"), &part) ? PEER_SAMPLING_CONTEXT : 0;
	}
	if (has(capabilities, STR("elicitation"), &v)) {
		bool form = has(v, STR("form"), &part), url = has(v, STR("url"), &part);

		caps |= url ? PEER_ELICIT_URL : 0;
		caps |= form || !url ? PEER_ELICIT_FORM : 0; /* {} means form */
	}
	return caps;
}

void
peer_put_caps(struct buf *out, unsigned caps)
{
	const char *comma = "";

	buf_putc(out, '{');
	if ((caps & PEER_ROOTS) != 0) {
		buf_puts(out, "\"roots\":{}");
		comma = ",";
	}
	if ((caps & PEER_SAMPLING) != 0) {
		buf_printf(out, "%s\"sampling\":{%s%s%s}", comma,
		    (caps & PEER_SAMPLING_TOOLS) != 0 ? "\"tools\":{}" : "",
		    (caps & PEER_SAMPLING_TOOLS) != 0 && (caps & PEER_SAMPLING_CONTEXT) != 0 ? ","
											     : "",
		    (caps & PEER_SAMPLING_CONTEXT) != 0 ? "\"context\":{}" : "");
		comma = ",";
	}
	if ((caps & (PEER_ELICIT_FORM | PEER_ELICIT_URL)) != 0)
		buf_printf(out, "%s\"elicitation\":{%s%s}", comma,
		    (caps & PEER_ELICIT_FORM) != 0 ? "\"form\":{}" : "",
		    (caps & PEER_ELICIT_URL) == 0    ? ""
		    : (caps & PEER_ELICIT_FORM) != 0 ? ",\"url\":{}"
						     : "\"url\":{}");
	buf_putc(out, '}');
}

unsigned
peer_needs(struct str method, struct str params)
{
	struct str v;

	if (str_eq(method, STR("roots/list")))
		return PEER_ROOTS;
	if (str_eq(method, STR("sampling/createMessage")))
		return PEER_SAMPLING |
		       (json_get(params, STR("tools"), &v) ? PEER_SAMPLING_TOOLS : 0);
	if (str_eq(method, STR("elicitation/create")))
		return json_get(params, STR("mode"), &v) && json_kind(v) == JSON_STRING &&
			       json_string_is(v, STR("url"))
			   ? PEER_ELICIT_URL
			   : PEER_ELICIT_FORM;
	return 0;
}
