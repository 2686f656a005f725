/* SPDX-License-Identifier: Apache-2.0 */
/* hosted - the tools in a request that the provider would run itself (policies: `hosted:`). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#define HOSTED_MAX 32 /* different ones in one request */

struct hosted {
	struct str name[HOSTED_MAX]; /* "web_search", "mcp/example.com"; in the arena */
	size_t n;
};
/*
 * Names what the lists `tools` and `mcp_servers` of an Anthropic Messages body (spans of it; .p
 * NULL: absent) would have the provider run, and files of its `messages`, each once.  ERR_INVALID
 * names the list and the place: no list, a member named twice, a type or a URL that two readers
 * could read differently, more than HOSTED_MAX.
 */
bool hosted_read(struct arena *a, struct str tools, struct str mcp_servers, struct str messages,
    struct hosted *out, struct err *e) MUST_CHECK;

/* ---- for the readers of the other dialects ---- */

struct hosted_reading {
	struct arena *kept;   /* the caller's: at most HOSTED_MAX names go there */
	struct arena scratch; /* what a client can make many of */
	struct hosted *out;
};
/* Starts with none named. */
void hosted_begin(struct hosted_reading *r, struct arena *kept, struct hosted *out);
void hosted_end(struct hosted_reading *r);
/* ERR_INVALID when there are too many. */
bool hosted_add(struct hosted_reading *r, struct str name, struct err *e) MUST_CHECK;
/* Does what a text says make a name that a pattern could be meant for? */
bool hosted_name_sane(struct str s);
/* A type's name, unescaped; ERR_INVALID names the place when it is none. */
bool hosted_type(struct hosted_reading *r, struct str raw, const char *list, size_t at,
    struct str *out, struct err *e) MUST_CHECK;
/* mcp/HOST of a URL in JSON; false when it is not one. */
bool hosted_host(struct hosted_reading *r, struct str raw, struct buf *name) MUST_CHECK;
/* fn for each item of a list, in order, until it says false; nothing for one that is absent or
 * null.  ERR_INVALID when it is no list, or no JSON. */
typedef bool hosted_item_f(struct hosted_reading *r, struct str item, size_t at, struct err *e);
bool hosted_each(struct hosted_reading *r, struct str list, const char *name, hosted_item_f *fn,
    struct err *e) MUST_CHECK;

/* hosted_files.c: stored_file, where a value (.p NULL: absent) names a file that the provider
 * keeps.  ERR_INVALID when it is no JSON, if that had to be read; `name` is the member's. */
bool hosted_files(
    struct hosted_reading *r, struct str messages, const char *name, struct err *e) MUST_CHECK;
/* hosted_openai.c: a list of tools; the items of a Responses request (a text has none). */
bool hosted_openai_tools(struct hosted_reading *r, struct str tools, struct err *e) MUST_CHECK;
bool hosted_openai_input(struct hosted_reading *r, struct str input, struct err *e) MUST_CHECK;
/* hosted_genai.c: the tools of a Gemini request. */
bool hosted_genai_tools(struct hosted_reading *r, struct str tools, struct err *e) MUST_CHECK;
