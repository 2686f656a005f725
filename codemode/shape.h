/* SPDX-License-Identifier: Apache-2.0 */
/* shape - what tools have answered: keys and types, never values. */
#pragma once

#include "codemode/run.h"

#define SHAPE_NAME "shape " /* of what core_keep() has */

/* A successful result (a checked JSON value, as a script gets it) of a call of `k`. */
void shape_learn(struct codemode *cm, struct key *k, const struct tool *t, struct str value);
/* What is known of the tool's results in the key's team, as a JSON Schema; "" = nothing.  Lives
 * until the next shape_learn(). */
struct str shape_find(struct codemode *cm, struct key *k, const struct tool *t);
/* The line of signature_put_learned(), as `k` is shown it wherever a tool is named. */
void shape_put_signature(
    struct codemode *cm, struct key *k, const struct tool *t, bool describe, struct buf *out);
void shape_init(struct codemode *cm);
void shape_load(struct codemode *cm, const struct kept_row *r);
void shape_free(struct codemode *cm);

/* ---- shape_tree.c: one shape; pure ---- */

struct shape_node;
struct shape_tree {
	struct arena arena;
	struct shape_node *root;
	size_t nodes;
};
void shape_tree_init(struct shape_tree *t);
void shape_tree_fini(struct shape_tree *t);
/* Takes a checked JSON value in. */
void shape_tree_see(struct shape_tree *t, struct str value);
/* The schema; "{}" while nothing is known. */
void shape_tree_put(const struct shape_tree *t, struct buf *out);
/* From such a schema (a checked JSON object of any content). */
void shape_tree_read(struct shape_tree *t, struct str schema);
