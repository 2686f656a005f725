/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - a strict single-pass scanner (RFC 8259) that yields spans of the original bytes, and
 * nothing else: no tree, no numbers converted behind anybody's back.
 *
 * What is forwarded is always the original bytes; this file tells where things are.  Keys are
 * compared after unescaping.  Duplicate keys are refused in objects read with json_fields().
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

enum json_kind {
	JSON_BAD,
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};
#define JSON_DEPTH_MAX 64

/* The kind, from the first byte of a raw value span. */
enum json_kind json_kind(struct str raw);

/*
 * Checks a whole document: one value, UTF-8, no trailing bytes, depth <= JSON_DEPTH_MAX, strings
 * and numbers well formed.  With unique, duplicate keys are refused in every object.  The error
 * names the byte offset.  After true, the iterators below cannot fail on it.
 */
bool json_check(struct str doc, bool unique, struct err *e) MUST_CHECK;
/* The same without unique, for what is looked at and sent on: half of a surrogate pair passes as an
 * escape (RFC 8259 8.2).  json_string() makes three bytes of it that are no UTF-8. */
bool json_check_lone(struct str doc, struct err *e) MUST_CHECK;
/* Is it JSON at all (keys may be there twice)?  false: the byte where it is not, and why. */
bool json_check_at(struct str doc, size_t *at, const char **why) MUST_CHECK;

/*
 * Reads chosen members of one object in one pass, without a tree.  `raw.p == NULL` = absent.  Any
 * member named twice (after unescaping) is refused if it is one of the wanted; trailing bytes,
 * a top level that is not an object, and bad structure are refused.  The fast path for large
 * request bodies: strings are skipped by vector instructions and nested values are only bracketed.
 */
struct json_field {
	struct str name;
	struct str raw; /* out: the value's span, with its quotes */
};
bool json_fields(struct str object, struct json_field *f, size_t n, struct err *e) MUST_CHECK;

/* Iterates an object (key set) or an array (key empty) of a checked document. */
struct json_iter {
	const char *p, *end;
	bool object, first;
};
bool json_open(struct str raw, struct json_iter *it); /* false: neither object nor array */
bool json_next(struct json_iter *it, struct str *key_raw, struct str *value_raw);

/* Looks up one member of a checked object; false when absent or not an object. */
bool json_get(struct str object, struct str name, struct str *value_raw);
/* Same key after unescaping?  key_raw has its quotes. */
bool json_key_is(struct str key_raw, struct str name);

/* Values of a checked document. */
bool json_string(struct str raw, struct arena *a, struct str *out); /* false: not a string */
/* A member that is a string; "" when there is none, or it is something else. */
struct str json_text(struct str object, const char *name, struct arena *a);
bool json_string_is(struct str raw, struct str text);
bool
json_i64(struct str raw, int64_t *out); /* integers only: "1.0", "1e3" and overflow are false */
bool json_bool(struct str raw, bool *out);
