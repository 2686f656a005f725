/* SPDX-License-Identifier: Apache-2.0 */
/* type - a JSON Schema (2020-12, and what older drafts spell otherwise) as a type of Lua. */
#pragma once

#include "base/text.h"

enum type_detail {
	TYPE_WHOLE, /* three levels of nesting */
	TYPE_FLAT,  /* what is nested is `table` */
	TYPE_NAMES  /* names of fields, with a type only where it holds more fields */
};
struct type_ask {
	struct str schema, root; /* checked documents; root: what "#/…" points into */
	enum type_detail detail;
	bool parameters; /* of a call: required ones first, `?` and `=default` */
	bool bare;       /* parameters without their defaults */
	bool learned;    /* from what was answered: keys that come and go are the call's, not the
			    tool's */
	size_t bytes;    /* fields past that are "…"; one field may go over it */
};
/* `string`, `{id:integer, tags?:string[]}`, `table<string,number>`, `"a"|"b"`, `any`. */
void type_put(struct buf *out, const struct type_ask *a);
/* The parameter list of a tool: always `{…}`. */
void type_put_parameters(struct buf *out, const struct type_ask *a);

/* One line of text, at most max bytes, no control characters, cut at a character; "…" when cut. */
void type_put_line(struct buf *out, struct str s, size_t max);
/* A raw JSON value as a literal of Lua, at most some 64 bytes of it. */
void type_put_literal(struct buf *out, struct str raw);
/* A raw key: name, or ["odd name"]. */
void type_put_key(struct buf *out, struct str key_raw);
