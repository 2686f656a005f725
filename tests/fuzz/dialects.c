/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any body, and any reply, of every endpoint of a model.
 *
 * Input: a byte that chooses the endpoint, then the body (or, from 128 on, a reply whose first byte
 * says in which pieces it comes).  Held: what the provider would run has names that a pattern can
 * be meant for; an edit lies within the body; numbers are in their bounds; usage is not negative
 * and does not depend on the pieces.
 */
#include <stdlib.h>

#include "gateway/dialect.h"

static const struct endpoint *const all[] = { &anthropic_messages, &openai_chat, &openai_responses,
	&openai_embeddings, &genai_generate, &genai_stream };

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
name_check(struct str name)
{
	must(name.n > 0);
	for (size_t i = 0; i < name.n; i++)
		must((unsigned char)name.p[i] > ' ' && (unsigned char)name.p[i] < 0x7f &&
		     (name.p[i] < 'A' || name.p[i] > 'Z') && name.p[i] != '\\' && name.p[i] != '@');
}

static bool
within(struct str span, struct str body)
{
	return span.p == NULL || (span.p >= body.p && span.p + span.n <= body.p + body.n);
}

static void
body_try(const struct endpoint *of, struct str body)
{
	struct arena a;
	struct asked q = { .arena = &a, .body = body, .in_path = STR("m"), .choices = 1 };
	struct err e;

	arena_init(&a, 4 << 20);
	if (of->peek(&q, &e)) {
		must(q.model.n > 0 && q.model.n <= MODEL_BYTES);
		must(q.max_tokens >= 0 && q.max_tokens <= MAX_TOKENS_MAX);
		must(q.choices >= 1 && q.choices <= CHOICES_MAX && q.hosted.n <= HOSTED_MAX);
		must(within(q.model_raw, body) && within(q.edit.span, body));
		for (size_t i = 0; i < q.hosted.n; i++)
			name_check(q.hosted.name[i]);
	}
	arena_free(&a);
}

static void
reply_try(const struct endpoint *of, struct str reply, bool stream, size_t chunk, struct usage *out)
{
	struct tap t;
	bool guessed;

	tap_init(&t, of, stream, (int64_t)reply.n);
	for (size_t at = 0; at < reply.n; at += chunk)
		tap_feed(
		    &t, (struct str){ reply.p + at, reply.n - at < chunk ? reply.n - at : chunk });
	tap_usage(&t, out, &guessed);
	must(out->input >= 0 && out->output >= 0 && out->cache_read >= 0 && out->cache_write >= 0);
	tap_fini(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct usage a, b;
	struct str rest;
	const struct endpoint *of;

	if (size < 2)
		return 0;
	of = all[data[0] % COUNT(all)];
	if (data[0] < 128) {
		body_try(of, (struct str){ (const char *)data + 1, size - 1 });
		return 0;
	}
	rest = (struct str){ (const char *)data + 2, size - 2 };
	reply_try(of, rest, data[1] & 1, rest.n + 1, &a);
	reply_try(of, rest, data[1] & 1, (size_t)(data[1] >> 1) + 1, &b);
	must(a.input == b.input && a.output == b.output && a.cache_read == b.cache_read);
	return 0;
}
