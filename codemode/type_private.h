/* SPDX-License-Identifier: Apache-2.0 */
/* type_private - what type.c and type_schema.c share: a walk through a schema. */
#pragma once

#include "base/json.h"
#include "codemode/type.h"

#define NODES_MAX  1000
#define REFS_MAX   16  /* references within references */
#define LOOKS_MAX  400 /* references looked up, each a scan of the document */
#define DEPTH_MAX  24  /* of the walk itself */
#define FIELDS_MAX 64
#define UNION_MAX  8
#define NEST_MAX   3 /* shown */

struct walk {
	struct buf *out;
	size_t from, bytes;
	struct str root;
	enum type_detail detail;
	bool parameters, bare, learned;
	int nest, depth, nodes, looks, refs_n;
	const char *refs[REFS_MAX]; /* where the references stand that are being followed */
};

struct field {
	struct str key, schema[UNION_MAX]; /* several: of the branches of a choice */
	size_t n;
};
struct fields {
	struct field at[FIELDS_MAX];
	size_t n;
	bool more;
};

/* The words of a schema that are looked at, read in one pass: definitions are 64 KiB at most, and
 * a pass for each word would be seconds for a hostile one. */
enum word {
	ADDITIONAL,
	ADDITIONAL_ITEMS,
	ALL_OF,
	ANY_OF,
	CONST,
	DEFAULT,
	DEPRECATED,
	ENUM,
	ITEMS,
	MAXIMUM,
	MAX_LENGTH,
	MINIMUM,
	MIN_LENGTH,
	MULTIPLE,
	NULLABLE,
	ONE_OF,
	PATTERN,
	PATTERN_PROPERTIES,
	PREFIX_ITEMS,
	PROPERTIES,
	PROPERTY_NAMES,
	REF,
	REQUIRED,
	TYPE,
	WORDS
};
struct parts {
	struct str of[WORDS]; /* p == NULL: absent */
};

struct parts parts_of(struct str schema);
/* One more look; false: there have been too many. */
bool walk_spend(struct walk *w);
/* Finds what "#/…" or "#anchor" means in the document; nothing is ever fetched. */
bool ref_find(const struct walk *w, struct str ref_raw, struct str *found);
/* Follows a reference until ref_leave(); false: into itself, or nowhere. */
bool ref_enter(struct walk *w, struct str ref, struct str *target);
void ref_leave(struct walk *w);
bool schema_is_null(struct str schema);
bool parts_nullable(const struct parts *p);
/* All that can stand in an object: its own properties and those of references, allOf and choices.
 */
void parts_fields(struct walk *w, struct fields *f, const struct parts *p, bool choice);
/* Does whatever matches have this key? */
bool parts_require(struct walk *w, const struct parts *p, struct str key_raw);

/* type.c: any schema. */
void type_any_put(struct walk *w, struct str schema);

/* type_choice.c: of several schemas; of those in a list (false: nothing is known by it). */
void type_schemas_put(struct walk *w, const struct str *schema, size_t n);
bool type_choice_put(struct walk *w, struct str list);
void type_enum_put(struct walk *w, struct str list);
void type_array_put(struct walk *w, const struct parts *p);
