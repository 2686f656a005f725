/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - configuration and policies: a strict YAML subset with positions.
 *
 * Refused: anchors, aliases, tags, duplicate keys, several documents, depth > 32, files over 4 MiB.
 * Everything lives in the arena given to yaml_parse().
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };
struct yaml {
	enum yaml_kind kind;
	int line, column; /* from 1 */
	const char *file; /* as given, for messages */
	struct str text;  /* scalar; "" for null */
	bool quoted;      /* a quoted scalar is never a number, boolean or null */
	struct str key;   /* in a map: this member's key */
	int key_line, key_column;
	struct yaml *kids, *next; /* members in the order of the file */
	size_t n;                 /* kids */
	bool used;                /* yaml_get() marks; yaml_unknown() tells the rest */
};

/* file:line:column: text; the error text starts with that position. */
struct yaml *
yaml_parse(struct arena *a, const char *file, struct str text, struct err *e) MUST_CHECK;
struct yaml *yaml_get(struct yaml *map, const char *key); /* NULL when absent; marks it used */
/* The first member nobody asked for: sets *e ("file:l:c: unknown key "tols" (did you mean
 * "tools"?)") against the known names, and returns false; true when there is none. */
bool yaml_unknown(struct yaml *map, const struct str *known, size_t n, struct err *e) MUST_CHECK;
/* Sets *e to "file:line:col: ..." of this node; returns false. */
bool yaml_err(const struct yaml *y, struct err *e, const char *fmt, ...) PRINTF(3, 4);
bool yaml_bool(const struct yaml *y, bool *out, struct err *e) MUST_CHECK;
bool
yaml_i64(const struct yaml *y, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_CHECK;
/* "32MiB", "64 KiB", "1000"; "30s", "10ms", "5m", "1h", "2d". */
bool yaml_bytes(const struct yaml *y, int64_t *out_bytes, struct err *e) MUST_CHECK;
bool yaml_duration(const struct yaml *y, int64_t *out_ms, struct err *e) MUST_CHECK;
