/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - whole JSON documents, for who calls tools, and what the audit and the metrics say of it.
 *
 * A document in which nothing is found is returned as it came, without a copy.  Of a request to a
 * model only some values are looked at, one after another; what stands between them passes.
 */
#include "policies/redact.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policies/core.h"

#define WHERE_BYTES 40 /* of a name that a refusal repeats */

/* ---- words ---- */

const char *
redact_class_word(enum redact_class c)
{
	static const char *const words[] = { "secrets", "card", "email", "iban", "phone" };

	return words[c];
}

const char *
redact_action_word(enum redact_action a)
{
	static const char *const words[] = { "", "observe", "hash", "mask", "block" };

	return words[a];
}

/* ---- the key ---- */

static const struct redact_tables *
core_redact(struct core *c)
{
	if (c->redact == NULL) {
		c->redact = mem_zalloc(sizeof(*c->redact));
		redact_tables_init(c->redact);
		crypto_random(c->redact->key, sizeof(c->redact->key));
	}
	return c->redact;
}

void
core_redact_key(struct core *c, const uint8_t *key)
{
	struct redact_tables *t = mem_unconst(core_redact(c));
	struct sha256 mac;

	hmac_sha256(&mac, (struct str){ (const char *)key, AEAD_KEY_BYTES }, STR("redact"));
	memcpy(t->key, mac.b, sizeof(t->key));
	crypto_wipe(&mac, sizeof(mac));
}

void
core_redact_free(struct core *c)
{
	if (c->redact != NULL)
		crypto_wipe(c->redact, sizeof(*c->redact));
	MEM_FREE(&c->redact);
}

/* ---- documents ---- */

struct redacting {
	const struct redact_tables *tables;
	const uint8_t *action;
	struct redact_counts *counts;
	struct str doc;
	size_t done, taken; /* of doc: written to `out`; seen */
	struct buf *out;
	bool begun; /* `redactor` is there */
	struct redactor redactor;
};

static void
on_pass(void *ctx, struct str s)
{
	((struct redacting *)ctx)->taken += s.n;
}

static void
on_put(void *ctx, struct str text, size_t instead)
{
	struct redacting *r = ctx;

	buf_put(r->out, (struct str){ r->doc.p + r->done, r->taken - r->done });
	buf_put(r->out, text);
	r->taken += instead;
	r->done = r->taken;
}

static struct redacting *
redacting_start(const struct redact_tables *t, const uint8_t *action, struct str doc,
    struct buf *out, struct redact_counts *counts)
{
	struct redacting *r = mem_alloc(sizeof(*r));

	buf_reset(out);
	r->tables = t;
	r->action = action;
	r->counts = counts;
	r->doc = doc;
	r->done = r->taken = 0;
	r->out = out;
	r->begun = false;
	return r;
}

struct redacting *
redacting_begin(struct core *c, const uint8_t *action, struct str doc, struct buf *out,
    struct redact_counts *counts)
{
	return redacting_start(core_redact(c), action, doc, out, counts);
}

void
redacting_value(struct redacting *r, struct str value)
{
	const size_t at = (size_t)(value.p - r->doc.p);

	ASSERT(at >= r->taken && at + value.n <= r->doc.n);
	if (value.n < REDACT_SHORTEST || redact_clean(r->tables, r->action, value))
		return;
	if (!r->begun)
		redactor_init(&r->redactor, r->tables, r->action, true,
		    &(struct redact_out){ on_pass, on_put, r }, r->counts);
	r->begun = true;
	r->taken = at;
	redactor_feed(&r->redactor, value);
	redactor_end(&r->redactor);
	ASSERT(r->taken == at + value.n);
}

/* What the string holds, if that is JSON and a number of it is to be replaced. */
static bool
inner_read(const struct redacting *r, struct str string, struct arena *a, struct str *inner)
{
	struct err e;

	return r->action[REDACT_CARD] > REDACT_WATCH && json_string(string, a, inner) &&
	       redact_card_number(*inner) && json_check(*inner, false, &e);
}

void
redacting_inner(struct redacting *r, struct str string)
{
	const size_t at = (size_t)(string.p - r->doc.p);
	struct str inner = STR("");
	struct redacting *within;
	struct buf out, quoted;
	struct arena a;

	arena_init(&a, string.n + 4096);
	if (!inner_read(r, string, &a, &inner)) {
		redacting_value(r, string);
		arena_free(&a);
		return;
	}
	buf_init(&out, r->out->limit);
	buf_init(&quoted, r->out->limit);
	within = redacting_start(r->tables, r->action, inner, &out, r->counts);
	redacting_value(within, inner);
	buf_json_str(&quoted, redacting_end(&within));
	ASSERT(at >= r->taken);
	r->taken = at;
	on_put(r, buf_str(&quoted), string.n);
	r->out->failed = r->out->failed || !buf_ok(&out) || !buf_ok(&quoted);
	buf_fini(&quoted);
	buf_fini(&out);
	arena_free(&a);
}

/* The text that stands in it; url: in the alphabet of URLs. */
static bool
base64_text(struct str coded, struct buf *text, bool *url)
{
	*url = !base64_decode(text, coded);
	if (*url)
		buf_reset(text);
	return (!*url || base64url_decode(text, coded)) && buf_ok(text) && str_utf8(buf_str(text));
}

/* In front, what is kept of a data: URL; `coded` becomes what stands behind it. */
static struct str
base64_front(struct str *coded)
{
	const struct str all = *coded, mark = STR(";base64,");
	const char *at =
	    str_starts(all, STR("data:")) ? memmem(all.p, all.n, mark.p, mark.n) : NULL;

	if (at == NULL)
		return STR("");
	*coded = STR_SPAN(at + mark.n, all.p + all.n);
	return STR_SPAN(all.p, at + mark.n);
}

/* `text` is looked at as one string; false: nothing in it had to change. */
static bool
text_redact(const struct redacting *r, struct str text, struct arena *a, struct buf *scratch,
    struct str *clean)
{
	struct buf quoted;
	struct redacting *within;
	struct str found;
	bool changed;

	buf_init(&quoted, r->out->limit * 2);
	buf_json_str(&quoted, text);
	within = redacting_start(r->tables, r->action, buf_str(&quoted), scratch, r->counts);
	if (buf_ok(&quoted))
		redacting_value(within, buf_str(&quoted));
	found = redacting_end(&within);
	changed = found.p != quoted.p;
	if (changed && (found.p == NULL || !json_string(found, a, clean)))
		*clean = STR_NONE;
	buf_fini(&quoted);
	return changed;
}

static void
base64_replace(struct redacting *r, struct str string, struct str front, struct str clean, bool url)
{
	struct buf coded, quoted;

	buf_init(&coded, r->out->limit);
	buf_init(&quoted, r->out->limit * 2);
	buf_put(&coded, front);
	if (url)
		buf_base64url(&coded, clean.p, clean.n);
	else
		buf_base64(&coded, clean.p, clean.n);
	buf_json_str(&quoted, buf_str(&coded));
	r->taken = (size_t)(string.p - r->doc.p);
	on_put(r, buf_str(&quoted), string.n);
	r->out->failed = r->out->failed || clean.p == NULL || !buf_ok(&coded) || !buf_ok(&quoted);
	buf_fini(&quoted);
	buf_fini(&coded);
}

void
redacting_base64(struct redacting *r, struct str string)
{
	struct str coded, front, clean;
	struct buf text, scratch;
	struct arena a;
	bool url;

	ASSERT((size_t)(string.p - r->doc.p) >= r->taken);
	arena_init(&a, 8 * string.n + 4096);
	buf_init(&text, string.n + 16);
	buf_init(&scratch, r->out->limit * 2);
	if (json_string(string, &a, &coded)) {
		front = base64_front(&coded);
		if (base64_text(coded, &text, &url) &&
		    text_redact(r, buf_str(&text), &a, &scratch, &clean))
			base64_replace(r, string, front, clean, url);
	}
	buf_fini(&scratch);
	buf_fini(&text);
	arena_free(&a);
}

struct str
redacting_end(struct redacting **at)
{
	struct redacting *r = *at;
	struct str out = r->doc;

	if (r->begun)
		redactor_fini(&r->redactor);
	if (r->done > 0) {
		buf_put(r->out, (struct str){ r->doc.p + r->done, r->doc.n - r->done });
		out = buf_ok(r->out) ? buf_str(r->out) : STR_NONE;
	}
	MEM_FREE(at);
	return out;
}

struct str
redact_json(struct core *c, const uint8_t *action, struct str doc, struct buf *out,
    struct redact_counts *counts)
{
	struct redacting *r = redacting_begin(c, action, doc, out, counts);

	redacting_value(r, doc);
	return redacting_end(&r);
}

/* A name that can be repeated is short and plain, so it holds nothing that was found. */
static bool
plain_name(struct str key_raw)
{
	if (key_raw.n < 3 || key_raw.n > WHERE_BYTES)
		return false;
	for (size_t i = 1; i + 1 < key_raw.n; i++)
		if (!is_alnum(key_raw.p[i]) && key_raw.p[i] != '_' && key_raw.p[i] != '-')
			return false;
	return true;
}

struct str
redact_where(struct str doc, size_t at)
{
	struct json_iter it;
	struct str key, value;

	if (json_kind(doc) != JSON_OBJECT || !json_open(doc, &it))
		return STR("");
	while (json_next(&it, &key, &value))
		if (at >= (size_t)(value.p - doc.p) && at < (size_t)(value.p - doc.p) + value.n)
			return plain_name(key) ? (struct str){ key.p + 1, key.n - 2 } : STR("");
	return STR("");
}

/* ---- what is recorded ---- */

static void
counts_put(struct buf *b, const char *member, const int32_t *n)
{
	const char *comma = "";

	buf_printf(b, ",\"%s\":{", member);
	for (size_t i = 0; i < REDACT_CLASSES; i++) {
		if (n[i] == 0)
			continue;
		buf_printf(b, "%s\"%s\":%d", comma, redact_class_word((enum redact_class)i), n[i]);
		comma = ",";
	}
	buf_putc(b, '}');
}

void
redacted_put(struct buf *b, const struct redact_counts *counts)
{
	int32_t done[REDACT_CLASSES] = { 0 };
	bool any = false, would = false;

	if (counts == NULL)
		return;
	for (size_t i = 0; i < REDACT_CLASSES; i++) {
		for (int a = REDACT_HASH; a <= REDACT_BLOCK; a++)
			done[i] += counts->n[a][i];
		any = any || done[i] > 0;
		would = would || counts->n[REDACT_WATCH][i] > 0;
	}
	if (any)
		counts_put(b, "redacted", done);
	if (would)
		counts_put(b, "would_redact", counts->n[REDACT_WATCH]);
}

void
redacted_count(struct core *c, const struct redact_counts *counts)
{
	for (int a = REDACT_WATCH; counts != NULL && a <= REDACT_BLOCK; a++)
		for (size_t i = 0; i < REDACT_CLASSES; i++)
			c->redacted[a][i] += (uint64_t)counts->n[a][i];
}

void
redacted_metrics(const struct core *c, struct buf *out)
{
	buf_puts(out, "# TYPE tollgate_redacted_total counter\n");
	for (int a = REDACT_WATCH; a <= REDACT_BLOCK; a++)
		for (size_t i = 0; i < REDACT_CLASSES; i++)
			if (c->redacted[a][i] > 0)
				buf_printf(out,
				    "tollgate_redacted_total{class=\"%s\",action=\"%s\"} %llu\n",
				    redact_class_word((enum redact_class)i),
				    redact_action_word((enum redact_action)a),
				    (unsigned long long)c->redacted[a][i]);
}
