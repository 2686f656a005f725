/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval_hook - approvals by webhook: the event that goes out, the signed answer that comes in.
 *
 *   approval.asked {…, "answer_url": BASE/approvals/TOKEN} --webhook.h--> the receiver
 *   POST /approvals/TOKEN {"decision":"approve"|"deny","by":"ana","reason":"…"} <-- signed by it
 *
 * TOKEN is sealed and names one request until its time is over.  It is no credential: the answer is
 * signed with the secret of the webhook over "TIMESTAMP.TOKEN.BODY", so that whoever only sees the
 * address, or an answer to another request, can do nothing with it.  A second answer, and a
 * replayed one, meets a request that waits no more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/admin.h"
#include "gateway/webhook.h"

#define TOKEN_AAD       STR("approval-webhook")
#define TOKEN_BYTES_MAX 512
#define SKEW_S          300 /* how old a signature may be, or from the future */

/* ---- out ---- */

static void
on_asked(void *ctx, const struct approval_request *r)
{
	struct gateway *g = ctx;
	struct buf data, text;

	buf_init(&data, 0);
	buf_init(&text, 0);
	buf_put(&text, approval_id(r));
	approval_json(r, &data);
	data.n--; /* its closing bracket */
	buf_printf(&data, ",\"answer_url\":\"%s/approvals/", g->hook.base);
	if (!aead_seal(&data, g->hook.seal, TOKEN_AAD, buf_str(&text)))
		data.failed = true;
	buf_puts(&data, "\"}");
	/* A webhook that is down is in the log; the request waits, and can be answered by the
	 * command where the rule lists it. */
	if (buf_ok(&data))
		(void)webhook_send(g->webhook, "approval.asked", buf_str(&data));
	buf_fini(&text);
	buf_fini(&data);
}

void
approval_hook_init(struct gateway *g, const struct webhook_settings *s,
    const uint8_t seal[AEAD_KEY_BYTES], const char *base)
{
	if (g->webhook == NULL)
		return;
	g->hook.secret = s->secret;
	memcpy(g->hook.seal, seal, AEAD_KEY_BYTES);
	(void)str_copy(g->hook.base, sizeof(g->hook.base), str_of(base));
	core_on_approval(g->core, on_asked, g);
}

/* ---- in ---- */

static bool
is_signed(const struct approval_signature *s, struct str secret, int64_t now_s)
{
	static const struct str version = STR("v1=");
	struct sha256 mac, given;
	int64_t at_s = 0;
	struct buf text;

	if (!str_i64(s->timestamp, &at_s) || at_s < now_s - SKEW_S || at_s > now_s + SKEW_S ||
	    !str_starts(s->signature, version) ||
	    !hex_decode(given.b, SHA256_BYTES,
		(struct str){ s->signature.p + version.n, s->signature.n - version.n }))
		return false;
	buf_init(&text, 0);
	buf_put(&text, s->timestamp);
	buf_putc(&text, '.');
	buf_put(&text, s->token);
	buf_putc(&text, '.');
	buf_put(&text, s->body);
	hmac_sha256(&mac, secret, buf_str(&text));
	buf_fini(&text);
	return crypto_equal(mac.b, given.b, SHA256_BYTES);
}

bool
approval_hook_answer(
    struct gateway *g, const struct approval_signature *s, struct buf *out, struct err *e)
{
	struct approval_answer a = { .way = APPROVAL_WEBHOOK, .actor = STR("webhook") };
	struct buf id;
	bool ok;

	if (g->webhook == NULL)
		return err_set(e, ERR_NOT_FOUND, "nothing is served at this path");
	if (!is_signed(s, g->hook.secret, loop_wall_ns(g->loop) / 1000000000))
		return err_set(e, ERR_AUTH,
		    "the answer is not signed by the webhook's secret, or too long ago "
		    "(x-tollgate-timestamp, x-tollgate-signature)");
	buf_init(&id, 256);
	ok = (s->token.n <= TOKEN_BYTES_MAX && aead_open(&id, g->hook.seal, TOKEN_AAD, s->token) &&
		 buf_ok(&id)) ||
	     err_set(e, ERR_NOT_FOUND, "no approval has this address");
	ok = ok && approval_command(g->core, buf_str(&id), s->body, &a, out, e);
	buf_fini(&id);
	return ok;
}
