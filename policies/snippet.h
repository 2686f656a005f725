/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - what snippets.c (files of a bundle), snippet_head.c (their heads) and snippet_type.c
 * (types in these) share; private to this folder.
 */
#pragma once

#include "policies/bundle.h"

/* A type as a head has it: `string`, `"a"|"b"`, `{id:integer, tags?:string[]}`. */
struct snippet_type {
	struct str text;     /* as it was written */
	struct str schema;   /* the same as a JSON Schema, in the arena */
	unsigned kinds;      /* SNIPPET_… of the first level */
	bool nil;            /* it may be absent */
	struct str *choices; /* in the arena; the texts it may be, unless SNIPPET_STRING; or none */
	size_t choices_n;
};
/* Takes one off *rest; false: *why says what is wrong where *rest now begins. */
bool snippet_type_read(
    struct arena *a, struct str *rest, struct snippet_type *out, const char **why) MUST_CHECK;

/* The head of `s->source` into *s.  false (reported): it is none. */
bool snippet_head_read(
    struct problems *p, const char *shown, struct arena *a, struct snippet *s) MUST_CHECK;

/* One file of a bundle. */
void snippet_read(struct loading *ld, const struct policy_file *f, struct str text);
/* Names that somebody would see twice are reported. */
void snippets_finish(struct loading *ld);
void bundle_snippets_free(struct bundle *b);
