/* SPDX-License-Identifier: Apache-2.0 */
/* offer - what a server has beside tools: prompts, resources, resource templates. */
#pragma once

#include "base/text.h"

enum offer_kind { OFFER_PROMPT, OFFER_RESOURCE, OFFER_TEMPLATE, OFFER_KINDS };

struct offer {
	struct str server, name; /* name: as upstream spells it; of a resource its URI */
	struct str policy_name;  /* "server/name" */
	struct str listed;       /* how clients see it: one of the next two, see view.c */
	struct str bare, wrapped;
	struct str rest; /* the definition after the value of name, uri or uriTemplate: ",…}" */
};

/* What one server listed of one kind; immutable but for `listed` once it is the server's. */
struct offerset;
struct offerset *offerset_new(struct str server, enum offer_kind kind);
void offerset_free(struct offerset **s);
/* `list` is a checked JSON array.  What cannot be used is left out, with a line in the log. */
void offerset_add_page(struct offerset *s, struct str list);
size_t offerset_count(const struct offerset *s); /* NULL is the empty set */
struct offer *offerset_at(struct offerset *s, size_t i);
bool offerset_same(const struct offerset *a, const struct offerset *b);

/* The listed JSON object. */
void offer_put(struct buf *out, enum offer_kind kind, const struct offer *o);
