/* SPDX-License-Identifier: Apache-2.0 */
/*
 * texts - where the words are in what models are sent.
 *
 * Each dialect has a table of the members that are no text: ids, signatures, pictures, definitions
 * of tools.  A document in base64 is one where its media type says so.  Every other string is one,
 * also in a member or a block that nobody knows yet: what is new tomorrow is looked at until
 * somebody says that it must not be.  Names of members and numbers are the API's, but in what a
 * tool is told or has told, where anything may stand.
 */
#pragma once

#include "base/json.h"

enum text_member {
	TEXT_NONE,  /* with all that is within */
	TEXT_MEDIA, /* a file if it is a data: URL in base64 */
	TEXT_FILE,  /* in base64, bare or as a data: URL: text by its media type, or none */
	TEXT_VALUE, /* all of it, numbers and names of members too */
	TEXT_NAMED, /* its members are called as the client likes: no row is meant by a name */
};
struct text_row {
	enum text_member is;
	struct str name;
	struct str in;   /* only in an object that is this member; "": in any */
	struct str type; /* only beside a `type` of this name; "": any */
};
struct text_table {
	const struct text_row *row;
	size_t n;
};
extern const struct text_table texts_anthropic, texts_openai, texts_responses, texts_genai;

struct text {
	struct str value; /* a span of the document: a string with its quotes, or what a tool has */
	struct str top;   /* the member of the document that holds it, with quotes; "" if none */
	size_t item;      /* which one of that list; SIZE_MAX: it is none */
	bool tools;       /* what a tool is told or has told: TEXT_VALUE */
	bool coded;       /* a file of text: in base64, behind "data:…;base64," or bare */
};
/* fn for each text of a document that json_check() has passed, in order. */
typedef void text_f(void *ctx, const struct text *t);
void texts_each(const struct text_table *of, struct str doc, text_f *fn, void *ctx);
/* "messages[3]", "system", or "" where the member's name is no plain word. */
void text_place(const struct text *t, char *out, size_t cap);
