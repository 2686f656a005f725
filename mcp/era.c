/* SPDX-License-Identifier: Apache-2.0 */
/*
 * era - modern (2026-07-28) or legacy (2024-11-05 … 2025-11-25)?
 *
 * As a server, on each request alone, in this order (it is the order in which clients and the
 * conformance suite look at the errors):
 *
 *   _meta version, or a version header that is not a legacy one -> modern, else legacy
 *   modern: _meta complete?            no -> 400 -32602
 *           header equals _meta?       no -> 400 -32020
 *           a version that we speak?   no -> 400 -32022 with what we do
 *           Mcp-Method, Mcp-Name?      no -> 400 -32020
 *
 * Headers are only ever compared with the body; every decision is taken on the body.
 *
 * As a client: the era is a property of the upstream, found by asking server/discover first.
 * 401, 403 and 5xx say nothing about it.
 */
#include "mcp/era.h"

#include <string.h>

#include "base/crypto.h"

static const char *const legacy_versions[] = { "2024-11-05", "2025-03-26", "2025-06-18",
	ERA_LEGACY_LATEST };

const char *
era_legacy_version(struct str version)
{
	for (size_t i = 0; i < COUNT(legacy_versions); i++)
		if (str_eq(version, str_of(legacy_versions[i])))
			return legacy_versions[i];
	return NULL;
}

#define SENTINEL_HEAD "=?base64?"
#define SENTINEL_TAIL "?="

static bool
plain(struct str s)
{
	if (s.n == 0 || s.p[0] == ' ' || s.p[s.n - 1] == ' ' || str_starts(s, STR(SENTINEL_HEAD)))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

void
era_put_header_value(struct buf *b, struct str value)
{
	if (plain(value)) {
		buf_put(b, value);
		return;
	}
	buf_puts(b, SENTINEL_HEAD);
	buf_base64(b, value.p, value.n);
	buf_puts(b, SENTINEL_TAIL);
}

/* false: it looks encoded and is not. */
static bool
header_text(struct buf *out, struct str value)
{
	struct str v = str_trim(value);

	if (!str_starts(v, STR(SENTINEL_HEAD)) || !str_ends(v, STR(SENTINEL_TAIL)) ||
	    v.n < sizeof(SENTINEL_HEAD SENTINEL_TAIL) - 1) {
		buf_put(out, v);
		return buf_ok(out);
	}
	v.p += sizeof(SENTINEL_HEAD) - 1;
	v.n -= sizeof(SENTINEL_HEAD SENTINEL_TAIL) - 1;
	return base64_decode(out, v) && buf_ok(out);
}

bool
era_header_is(struct str header_value, struct str wanted)
{
	struct buf b;
	bool same;

	buf_init(&b, 16384);
	same = header_text(&b, header_value) && str_eq(buf_str(&b), wanted);
	buf_fini(&b);
	return same;
}

bool
era_header_same(struct str a, struct str b)
{
	struct buf text;
	bool same;

	buf_init(&text, 16384);
	same = header_text(&text, b) && era_header_is(a, buf_str(&text));
	buf_fini(&text);
	return same;
}

static void
refuse(struct era_verdict *v, int code, const char *text)
{
	v->status = 400;
	v->code = code;
	v->text = text;
}

static bool
raw_is_text(struct str raw, struct str text)
{
	return json_kind(raw) == JSON_STRING && json_string_is(raw, text);
}

static void
name_header(
    const struct http1_head *h, const struct rpc *m, struct str member, struct era_verdict *v)
{
	const struct header *name = http1_find(h, STR("mcp-name"));
	struct str raw, text;
	struct arena a;

	if (!json_get(m->params, member, &raw) || json_kind(raw) != JSON_STRING)
		return; /* said where the request is served */
	arena_init(&a, 65536);
	if (name == NULL || raw.n > 16384 || !json_string(raw, &a, &text) ||
	    !era_header_is(name->value, text))
		refuse(v, RPC_HEADERS,
		    "the header Mcp-Name must repeat params.name or params.uri of the body");
	arena_free(&a);
}

/* Mcp-Method always, Mcp-Name for what is addressed by one. */
static void
method_headers(const struct http1_head *h, const struct rpc *m, struct era_verdict *v)
{
	const struct header *method = http1_find(h, STR("mcp-method"));

	if (m->kind != RPC_IS_REQUEST)
		return;
	if (method == NULL || !era_header_is(method->value, str_of(m->method))) {
		refuse(v, RPC_HEADERS, "the header Mcp-Method must repeat the method of the body");
		return;
	}
	if (rpc_is(m, "tools/call") || rpc_is(m, "prompts/get"))
		name_header(h, m, STR("name"), v);
	else if (rpc_is(m, "resources/read"))
		name_header(h, m, STR("uri"), v);
}

void
era_classify(const struct http1_head *h, const struct rpc *m, struct era_verdict *v)
{
	const struct header *header = http1_find(h, STR("mcp-protocol-version"));
	struct str meta = STR_NONE, version = STR_NONE, caps = STR_NONE, said = STR("");

	*v = (struct era_verdict){ .era = ERA_LEGACY };
	if (header != NULL)
		said = str_trim(header->value);
	if (json_get(m->params, STR("_meta"), &meta) && json_kind(meta) == JSON_OBJECT) {
		(void)json_get(meta, STR(META_VERSION), &version);
		(void)json_get(meta, STR(META_CAPABILITIES), &caps);
	}
	if (version.p == NULL && (header == NULL || era_legacy_version(said) != NULL))
		return;
	v->era = ERA_MODERN;
	if (m->kind != RPC_IS_REQUEST && version.p == NULL && str_eq(said, STR(ERA_MODERN_VERSION)))
		return; /* a notification need not repeat it */
	if (version.p == NULL || json_kind(version) != JSON_STRING)
		refuse(v, RPC_PARAMS, "params._meta lacks \"" META_VERSION "\"");
	else if (m->kind == RPC_IS_REQUEST && (caps.p == NULL || json_kind(caps) != JSON_OBJECT))
		refuse(v, RPC_PARAMS, "params._meta lacks \"" META_CAPABILITIES "\"");
	else if (header == NULL || !raw_is_text(version, said))
		refuse(v, RPC_HEADERS,
		    "the header MCP-Protocol-Version must repeat the version in params._meta");
	else if (!raw_is_text(version, STR(ERA_MODERN_VERSION))) {
		refuse(v, RPC_VERSION, "unsupported protocol version");
		v->say_supported = true;
		v->requested_raw = version;
	} else {
		method_headers(h, m, v);
	}
}

static bool
lists_modern(struct str versions)
{
	struct str key, one;
	struct json_iter it;

	if (json_kind(versions) == JSON_ARRAY && json_open(versions, &it))
		while (json_next(&it, &key, &one))
			if (raw_is_text(one, STR(ERA_MODERN_VERSION)))
				return true;
	return false;
}

bool
era_supported(struct str error)
{
	struct str data, versions;

	return error.p != NULL && json_get(error, STR("data"), &data) &&
	       json_kind(data) == JSON_OBJECT && json_get(data, STR("supported"), &versions) &&
	       lists_modern(versions);
}

enum era_next
era_after_probe(int http_status, int rpc_code, struct str result)
{
	struct str versions;

	if (result.p != NULL && json_get(result, STR("supportedVersions"), &versions) &&
	    lists_modern(versions))
		return ERA_IS_MODERN;
	if (http_status == 401 || http_status == 403)
		return ERA_REFUSED;
	if (http_status >= 500 || http_status == 429)
		return ERA_OUTAGE;
	if (rpc_code == RPC_HEADERS)
		return ERA_OUTAGE; /* modern, and it disagrees with our headers */
	return ERA_TRY_LEGACY;
}
