/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect - what the model APIs differ in, as tables of constants and functions.
 *
 * A dialect is how one family of APIs looks from outside: its refusals, its headers, where the
 * provider's key goes.  An endpoint is one call of it: what its body asks for (peek), and where its
 * replies name what they cost (reply, event).  proxy.c, route.c, pick.c and exchange.c go through
 * these tables and know no dialect by its name; a new one is a file and rows in route.c.
 *
 * Nothing is translated: a request reaches a provider of its own kind only, as it came but for the
 * edits that `asked` names.
 */
#pragma once

#include "base/json.h"
#include "gateway/hosted.h"
#include "gateway/tap.h"
#include "gateway/texts.h"

/* `kind:` of a provider. */
enum provider_kind { PROVIDER_NONE, PROVIDER_ANTHROPIC, PROVIDER_OPENAI, PROVIDER_GENAI };

struct dialect {
	/* ---- refusals; every path has these ---- */
	/* err_http(), unless this dialect's clients read a status otherwise.  NULL: err_http(). */
	int (*status)(enum err_code code);
	/* The body.  now_s: the wall clock, for those that name a moment. */
	void (*refusal)(const struct err *e, int64_t now_s, struct buf *out);
	/* The line in front of it inside a stream of events; "" where events have no names. */
	struct str error_event;

	/* ---- APIs of models; empty for the others ---- */
	enum provider_kind kind;
	/* In front of every path; left out where the provider's URL has a path of its own and
	 * own_version is set. */
	struct str version;
	bool own_version;
	struct str key_header, key_prefix; /* how the provider is shown its key; "" or "Bearer " */
	struct str session;                /* the client's header that names its session, or "" */
	/* Of the client's headers, what is meant for the provider: names, and how others begin. */
	const struct str *forwarded, *forwarded_prefixes;
	size_t forwarded_n, forwarded_prefixes_n;
	/* Of the reply's, what describes our account, beside what never passes. */
	const struct str *dropped_prefixes;
	size_t dropped_prefixes_n;
	/* The list of models: around, and one of them. */
	struct str list_head, list_tail;
	void (*model_put)(struct buf *out, struct str id);
	const struct text_table *texts; /* of requests */
};

extern const struct dialect dialect_plain, dialect_rpc;        /* dialect.c */
extern const struct dialect dialect_anthropic;                 /* dialect_anthropic.c */
extern const struct dialect dialect_openai, dialect_responses; /* dialect_openai.c */
extern const struct dialect dialect_genai;                     /* dialect_genai.c */

/* ---- what a request asks for ---- */

#define MODEL_BYTES    256
#define MAX_TOKENS_MAX 100000000
#define CHOICES_MAX    128

struct edit { /* a span of the body (it may be empty) and what is sent in its place */
	struct str span, with;
};
struct asked {
	struct arena *arena; /* in: of the exchange; what is unescaped goes there */
	struct str body;     /* in */
	struct str in_path;  /* in: the model's name, where the path has it; else "" */

	struct str model;        /* as the client calls it */
	struct str model_raw;    /* its span of the body, with quotes; .p NULL: only in the path */
	struct str model_prefix; /* "models/", which stands before it there */
	int64_t max_tokens;      /* at most produced for one choice; 0: it does not say */
	int64_t choices;         /* how many; each may take all of that */
	struct hosted hosted;    /* what the provider would run or look up by itself */
	struct edit edit;        /* beside the model's name; span.p NULL: none */
	/* Checked lists where signatures may be added (prefetch.c); p NULL: nowhere. */
	struct str tools, messages;
};

/* asked.model and model_raw from a JSON string: ERR_INVALID when it is none, empty, too long. */
bool asked_model(struct asked *q, struct str raw, struct err *e) MUST_CHECK;
/* A whole number from min to max; absent or null leaves *out as it is. */
bool asked_number(struct str raw, const char *name, int64_t min, int64_t max, int64_t *out,
    struct err *e) MUST_CHECK;
/* true, false, null or absent (which are false). */
bool asked_bool(struct str raw, const char *name, bool *out, struct err *e) MUST_CHECK;
/* A body that json_fields() has read, from its opening bracket. */
struct str asked_object(struct str body);
/*
 * json_fields() for a reader that another vendor's parser must agree with: a member that is one of
 * the wanted but for case, hyphens and underscores is refused too, since some parsers (Go's) take
 * it for that one.  Spell out every name that is right.
 */
bool asked_fields(struct str object, struct json_field *f, size_t n, struct err *e) MUST_CHECK;

struct endpoint {
	const struct dialect *dialect;
	/* Behind the version; with a verb the model's name stands between the two. */
	struct str path, verb;
	bool free_of_charge; /* counts only: nothing is held or charged */
	bool listed;         /* a JSON reply may be a list of objects, each whole in itself */
	/* Fills in what `asked` says; ERR_INVALID for what cannot be judged. */
	bool (*peek)(struct asked *q, struct err *e);
	/* Usage and tool calls of a whole JSON object; of one event of a stream. */
	void (*reply)(struct tap *t, struct str object);
	void (*event)(struct tap *t, const struct sse_event *ev);
};

extern const struct endpoint anthropic_messages, anthropic_count_tokens;
extern const struct endpoint openai_chat, openai_responses, openai_embeddings;
extern const struct endpoint genai_generate, genai_stream, genai_count_tokens;
